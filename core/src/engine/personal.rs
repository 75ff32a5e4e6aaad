//! Which columns of a query are personal data, by their names.

/// Kinds of personal data, and parts of column names that tell them (small letters).
const KINDS: [(&str, &[&str]); 7] = [
    ("phone", &["phone", "mobile", "telephone", "fax", "whatsapp", "телефон"]),
    ("email", &["email", "e-mail", "e_mail", "mailaddress", "почта"]),
    ("passport", &["passport", "document_number", "id_card", "паспорт"]),
    ("birth", &["birth", "date_of_birth", "dob", "рожден"]),
    ("address", &["street", "postal", "home_address", "mailingaddress", "billingaddress", "адрес"]),
    ("tax", &["snils", "tax_id", "ssn", "снилс"]),
    ("bank", &["iban", "card_number", "bank_account", "bik", "расчетный счет", "расчётный счёт"]),
];
/// Before the kind of a personal field among the new values of a day.
const MARK: &str = "field:";

/// The kinds of personal data among the columns of a query, each once: `phone`, `email`, `passport`, `birth`, `address`, `tax`, `bank`.
pub fn personal_kinds(fields: &[String]) -> impl Iterator<Item = &'static str> + use<> {
    let fields: Vec<String> = fields.iter().map(|f| f.to_lowercase()).collect();
    let named = move |parts: &[&str]| fields.iter().any(|f| parts.iter().any(|p| f.contains(p)));
    KINDS.iter().filter(move |(_, parts)| named(parts)).map(|(kind, _)| *kind)
}

/// The same, as values of a day.
pub(super) fn kinds(fields: &[String]) -> impl Iterator<Item = String> + use<> {
    personal_kinds(fields).map(|kind| format!("{MARK}{kind}"))
}

/// The kind of a new value that is one.
pub(super) fn kind(value: &str) -> Option<&str> {
    value.strip_prefix(MARK).filter(|k| KINDS.iter().any(|(kind, _)| kind == k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_several_crms() {
        let of = |fields: &[&str]| kinds(&fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>()).collect::<Vec<_>>();
        assert_eq!(of(&["Name", "MobilePhone", "Phone", "UF_PASSPORT_NUM"]), ["field:phone", "field:passport"]);
        assert_eq!(of(&["emailaddress1", "Amount"]), ["field:email"]);
        assert_eq!(of(&["Owner", "Stage"]), Vec::<String>::new());
        assert_eq!(of(&["Телефон рабочий"]).first().and_then(|v| kind(v)), Some("phone"));
        assert_eq!(kind("field:nonsense"), None);
    }
}
