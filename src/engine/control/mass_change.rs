//! Mass delete, update, transfer or share.

use super::{Control, Kind, SeverityRule, floor, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "mass_change",
    title: words("Mass change", "Массовое изменение"),
    kind: Kind::Behavioural,
    about: words(
        "Far more records deleted, merged, transferred, changed or shared than usual",
        "Удалено, объединено, передано, изменено или открыто для других намного больше записей, чем обычно",
    ),
    detectors: &[Detector::Destr, Detector::NUpd, Detector::Ext],
    mitre: &["T1485", "T1565"],
    severity: SeverityRule::Budget,
    parameters: &[
        floor(
            "floor_deleted",
            10.0,
            "records deleted, merged or transferred below which they are no evidence",
            "удалённых, объединённых или переданных записей, меньше которых они не считаются признаком",
        ),
        floor(
            "floor_updated",
            10.0,
            "records changed below which they are no evidence",
            "изменённых записей, меньше которых они не считаются признаком",
        ),
        floor(
            "floor_shared",
            1.0,
            "weight of records shared below which it is no evidence; to an outside account a record weighs 1, within 0.1",
            "вес открытых для других записей, меньше которого он не считается признаком; вовне запись весит 1, внутри 0,1",
        ),
    ],
    settings: &[],
    switches: &[],
    benign: &[
        words("Is an administrator or a data steward cleaning up?", "Не чистит ли базу администратор или ответственный за данные?"),
        words("Are territories or owners being changed on order?", "Не меняются ли по распоряжению территории или владельцы?"),
        words(
            "Is an import or an integration correcting records under this account?",
            "Не правит ли записи под этой учётной записью импорт или интеграция?",
        ),
    ],
};
