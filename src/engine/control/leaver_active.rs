//! Any successful activity after dismissal.

use super::{Control, Kind, SeverityRule, words};
use crate::engine::Severity;

pub(super) const CONTROL: Control = Control {
    id: "leaver_active",
    title: words("Active after dismissal", "Активность после увольнения"),
    kind: Kind::Rule,
    about: words("A successful action at or after the first instant without access", "Успешное действие после прекращения доступа"),
    detectors: &[],
    mitre: &["T1078"],
    severity: SeverityRule::Fixed(Severity::Critical),
    parameters: &[],
    settings: &[],
    switches: &[],
    benign: &[
        words("Was the last day moved, and the directory not told?", "Не перенесён ли последний день, о чём справочник не знает?"),
        words(
            "Does a program still sign in with this account? Then change its account",
            "Не входит ли ещё под этой учётной записью программа? Тогда смените её учётную запись",
        ),
        words("Was the account passed on to a successor?", "Не передана ли учётная запись преемнику?"),
    ],
};
