//! A backup of the CRM that did not come.

use super::{Control, Kind, RULE, SeverityRule, floor, words};
use crate::engine::{Severity, Text, explain::phrase};

pub(super) const CONTROL: Control = Control {
    id: "backup_overdue",
    title: words("Backup overdue", "Нет резервной копии"),
    kind: Kind::Absence,
    about: words(
        "No successful backup of the CRM at one of [tenants.T] backup_targets for so long",
        "В одно из мест [tenants.T] backup_targets давно не приходила успешная резервная копия CRM",
    ),
    mitre: &["T1490"],
    severity: SeverityRule::Fixed(Severity::High),
    settings: &[floor("hours", 26.0, "hours between two successes", "часов между двумя успешными копиями")],
    benign: &[
        words("Does the backup run, but its report not reach Filin?", "Не делается ли копия, но сообщение о ней не доходит до Filin?"),
        words("Was the target renamed?", "Не переименовано ли место хранения?"),
    ],
    ..RULE
};

/// What is told: a target without a success for `hours`.
pub(in crate::engine) fn sentence(target: &str, hours: f64, least: f64) -> Text {
    let target = phrase::quoted(target);
    Text {
        en: format!(
            "No successful backup at {target} for {}; at most {} are expected",
            phrase::en(hours, "hour", "hours"),
            phrase::n_en(least)
        ),
        ru: format!(
            "В {target} нет успешной копии уже {}; ожидается не больше {}",
            phrase::ru(hours, ["час", "часа", "часов"]),
            phrase::n_ru(least)
        ),
    }
}
