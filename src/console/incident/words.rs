//! Words of the event format, as a lawyer reads them.

use crate::console::words::Lang;

type Pair = (&'static str, &'static str, &'static str);

const ACTIONS: &[Pair] = &[
    ("login", "log-in", "вход"),
    ("logout", "log-out", "выход"),
    ("view", "record opened", "открытие карточки"),
    ("search", "search", "поиск"),
    ("list", "list shown", "просмотр списка"),
    ("report", "report shown", "отчёт на экране"),
    ("export", "export to a file", "выгрузка в файл"),
    ("api_query", "query by a program", "запрос программой"),
    ("print", "print", "печать"),
    ("create", "created", "создание"),
    ("update", "changed", "изменение"),
    ("delete", "deleted", "удаление"),
    ("merge", "merged", "слияние"),
    ("transfer", "handed over to another owner", "передача другому владельцу"),
    ("share", "shared", "открытие доступа"),
    ("call", "call", "звонок"),
    ("email", "e-mail", "письмо"),
    ("message", "message", "сообщение"),
    ("permission_change", "rights changed", "изменение прав"),
    ("user_create", "account made", "создание учётной записи"),
    ("user_deactivate", "account closed", "закрытие учётной записи"),
    ("setting_change", "setting changed", "изменение настройки"),
    ("backup", "backup", "резервная копия"),
    ("endpoint_finding", "finding of the antivirus", "находка антивируса"),
    ("other", "other", "прочее"),
    // What people do about alerts.
    ("acknowledge", "taken up", "взято в работу"),
    ("assign", "given to somebody", "передано исполнителю"),
    ("comment", "commented", "оставлен комментарий"),
    ("close", "answered", "дан ответ"),
    ("reopen", "opened again", "открыто снова"),
    ("escalate", "passed on to somebody higher up", "передано выше"),
];

const CHANNELS: &[Pair] = &[
    ("ui", "browser", "браузер"),
    ("mobile", "mobile app", "мобильное приложение"),
    ("api", "programming interface", "программный интерфейс"),
    ("bulk_api", "bulk interface", "интерфейс массовой выгрузки"),
    ("report", "report", "отчёт"),
    ("telephony", "telephone", "телефония"),
    ("import", "import", "импорт"),
    ("other", "other", "прочее"),
];

const OBJECTS: &[Pair] = &[
    ("client", "clients", "клиенты"),
    ("lead", "leads", "лиды"),
    ("contact", "contact persons", "контактные лица"),
    ("deal", "deals", "сделки"),
    ("order", "orders", "заказы"),
    ("task", "tasks", "задачи"),
    ("file", "files", "файлы"),
    ("report", "reports", "отчёты"),
    ("other", "other records", "прочие записи"),
];

const KINDS: &[Pair] = &[
    ("phone", "telephone numbers", "номера телефонов"),
    ("email", "e-mail addresses", "адреса электронной почты"),
    ("passport", "identity documents", "документы, удостоверяющие личность"),
    ("birth", "dates of birth", "даты рождения"),
    ("address", "postal addresses", "почтовые адреса"),
    ("tax", "tax and insurance numbers", "ИНН и СНИЛС"),
    ("bank", "bank details", "банковские реквизиты"),
];

const OWNERS: &[Pair] = &[
    ("self", "the person's own", "свои клиенты"),
    ("team", "a colleague's of the team", "клиенты коллег по отделу"),
    ("team_absent", "an absent colleague's of the team", "клиенты отсутствующих коллег по отделу"),
    ("other", "other managers'", "клиенты других менеджеров"),
    ("unknown", "owner not known", "владелец неизвестен"),
];

const VERDICTS: &[Pair] = &[
    ("true_positive", "confirmed: it was not work", "подтверждено: это была не работа"),
    ("benign_expected", "it was work", "это была работа"),
    ("false_positive", "false alarm", "ложная тревога"),
    ("duplicate", "duplicate", "повтор"),
    ("unknown", "not known", "неизвестно"),
];

const ROLES: &[Pair] = &[
    ("supervisor", "supervisor", "руководитель"),
    ("analyst", "analyst", "аналитик"),
    ("admin", "administrator", "администратор"),
    ("auditor", "auditor", "аудитор"),
];

fn of<'a>(all: &[Pair], lang: Lang, word: &'a str) -> &'a str {
    all.iter().find(|(known, _, _)| *known == word).map_or(word, |(_, en, ru)| lang.pick(en, ru))
}

/// What was done.
pub(super) fn action(lang: Lang, word: &str) -> &str {
    of(ACTIONS, lang, word)
}

/// The way it went.
pub(super) fn channel(lang: Lang, word: &str) -> &str {
    if word.is_empty() { "—" } else { of(CHANNELS, lang, word) }
}

/// What was touched.
pub(super) fn object(lang: Lang, word: &str) -> &str {
    of(OBJECTS, lang, word)
}

/// A kind of personal data.
pub(super) fn kind(lang: Lang, word: &str) -> &str {
    of(KINDS, lang, word)
}

/// Whose a client was.
pub(super) fn owner(lang: Lang, word: &str) -> &str {
    of(OWNERS, lang, word)
}

/// What an alert was.
pub(super) fn verdict(lang: Lang, word: &str) -> &str {
    of(VERDICTS, lang, word)
}

/// Who answered.
pub(super) fn role(lang: Lang, word: &str) -> &str {
    of(ROLES, lang, word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{VerdictKind, personal_kinds},
        event::{Action, Channel, ObjectType, Owner},
        store::actions::ActionKind,
    };

    #[test]
    fn every_word_of_the_format_is_told_in_both_languages() {
        let check = |said: fn(Lang, &str) -> &str, word: &str| {
            for lang in [Lang::En, Lang::Ru] {
                let told = said(lang, word);
                assert!(!told.is_empty());
                assert!(lang == Lang::En || told.chars().any(|c| ('а'..='я').contains(&c)), "{word}");
            }
        };
        Action::ALL.iter().for_each(|a| check(|l, w| of(ACTIONS, l, w), a.as_str()));
        ActionKind::ALL.iter().for_each(|a| check(|l, w| of(ACTIONS, l, w), a.as_str()));
        Channel::ALL.iter().for_each(|c| check(|l, w| of(CHANNELS, l, w), c.as_str()));
        Owner::ALL.iter().for_each(|o| check(|l, w| of(OWNERS, l, w), o.as_str()));
        VerdictKind::ALL.iter().for_each(|v| check(|l, w| of(VERDICTS, l, w), v.as_str()));
        for o in ObjectType::ALL.iter().filter(|o| !matches!(o, ObjectType::User | ObjectType::Setting)) {
            check(|l, w| of(OBJECTS, l, w), o.as_str());
        }
        let columns = ["phone", "email", "passport", "birth", "street", "snils", "iban"].map(str::to_owned);
        assert_eq!(personal_kinds(&columns).count(), KINDS.len());
        personal_kinds(&columns).for_each(|k| check(|l, w| of(KINDS, l, w), k));
    }
}
