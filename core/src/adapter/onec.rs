//! 1C: the registration journal (журнал регистрации), as exporters write it; events by their code or their Russian text.

use serde_json::{Map, Value};

use super::{Around, Binding, Error, Fault, Format, Notes, row::Row, rules};
use crate::event::{Action, ActorKind, Change, Channel, Event, ObjectType, Outcome, Place};

struct Journal;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Journal))
}

/// What is no event: beginnings of codes and of texts.
const NOISE: &[&str] = &["_$Job$_.", "_$Transaction$_.", "Фоновое задание", "Транзакция"];
/// Programs that people sit at.
const DESKTOPS: &[&str] = &["1CV8", "1CV8C", "WebClient", "Designer", "Толстый клиент", "Тонкий клиент", "Веб-клиент", "Конфигуратор"];
/// Programs that programs call.
const SERVICES: &[&str] = &[
    "COMConnection",
    "WSConnection",
    "HTTPServiceConnection",
    "COM-соединение",
    "COM-сервер",
    "Соединение веб-сервиса",
    "Web-сервис",
    "HTTP-сервис",
];
/// The platform itself.
const SYSTEM: &[&str] =
    &["BackgroundJob", "JobScheduler", "SystemBackgroundJob", "Фоновое задание", "Системное фоновое задание", "Планировщик заданий"];

impl Format for Journal {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let name = row.text("Event").unwrap_or_default();
        if NOISE.iter().any(|begin| name.starts_with(begin)) {
            return Ok(None);
        }
        let position = row.required("EndPosition")?;
        let id =
            format!("{}:{}", row.text("FileName").unwrap_or_default(), row.some_id("Id").filter(|_| position == "0").unwrap_or(position));
        if row.text("DateTime").is_some_and(|t| t.starts_with("1970-01-01")) {
            return Err(Fault::missing("DateTime"));
        }
        let time = row.local_time("DateTime", around.binding)?;
        let (action, outcome) = action(name);
        let user = row.id("UserUuid").filter(|id| !id.starts_with("00000000-0000-0000-0000-"));
        let mut event = rules::event(id, time, "1c", rules::actor(user, row.owned("User")), action, around.binding);
        event.outcome = outcome;
        if outcome != Outcome::Success {
            event.reason = Some(name.to_owned());
        }
        describe(row, name, &mut event);
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        event.attrs.retain(|_, value| value.as_str().is_none_or(|t| !t.starts_with("1970-01-01")));
        Ok(Some(event))
    }
}

fn describe(row: Row<'_>, name: &str, event: &mut Event) {
    let application = row.text("Application");
    let is_one_of = |names: &[&str]| application.is_some_and(|a| names.contains(&a));
    if is_one_of(DESKTOPS) {
        event.channel = Some(Channel::Ui);
    } else if is_one_of(SERVICES) {
        event.channel = Some(Channel::Api);
    } else if is_one_of(SYSTEM) {
        event.actor.kind = ActorKind::System;
    }
    event.session = row.some_id("Session");
    // A host's name, not its address.
    let place = Place { device: row.owned("Computer"), app: row.owned("Application"), ..Place::default() };
    event.client = Some(place).filter(|p| *p != Place::default());
    let data = row.id("Data");
    let writes = matches!(event.action, Action::Create | Action::Update | Action::Delete);
    // What a developer changes in the configurator is the configuration.
    if is_one_of(&["Designer", "Конфигуратор"]) && writes {
        event.action = Action::SettingChange;
    }
    match event.action {
        Action::UserCreate | Action::UserDeactivate | Action::PermissionChange => {
            let target = data.or_else(|| row.owned("DataPresentation"));
            event.object = target.clone().and_then(|id| rules::object(Some(ObjectType::User), Some(id)));
            event.change = Some(Change { what: Some(name.to_owned()), target, ..Change::default() });
        }
        Action::SettingChange => {
            event.change = Some(Change { what: Some(name.to_owned()), target: row.owned("Metadata"), ..Change::default() });
        }
        Action::Login | Action::Logout => {}
        _ => event.object = rules::object(row.text("Metadata").map(rules::object_type), data),
    }
    let rolled_back = matches!(row.text("TransactionStatus"), Some("C" | "Отменена" | "RolledBack"));
    if writes && rolled_back {
        (event.outcome, event.reason) = (Outcome::Failure, row.owned("TransactionStatus"));
    }
}

fn action(name: &str) -> (Action, Outcome) {
    let begins = |begins: &[&str]| begins.iter().any(|b| name.starts_with(b));
    let action = match () {
        () if begins(&["_$Session$_.AuthenticationError", "Сеанс.Ошибка аутентификации"]) => {
            return (Action::Login, Outcome::Failure);
        }
        () if begins(&["_$Session$_.Authentication", "Сеанс.Аутентификация"]) => Action::Login,
        () if begins(&["_$Session$_.Finish", "Сеанс.Завершение"]) => Action::Logout,
        () if begins(&["_$Data$_.New", "Данные.Добавление"]) => Action::Create,
        () if begins(&["_$Data$_.Update", "Данные.Изменение", "_$Data$_.Post", "_$Data$_.Unpost"]) => Action::Update,
        () if begins(&["Данные.Проведение", "Данные.Отмена проведения"]) => Action::Update,
        () if begins(&["_$Data$_.Delete", "Данные.Удаление"]) => Action::Delete,
        () if begins(&["_$Access$_.AccessDenied", "Доступ.Отказ в доступе"]) => return (Action::Other, Outcome::Denied),
        () if begins(&["_$Access$_.Access", "Доступ.Доступ"]) => Action::View,
        () if begins(&["_$User$_.New", "Пользователи.Добавление"]) => Action::UserCreate,
        () if begins(&["_$User$_.Delete", "Пользователи.Удаление"]) => Action::UserDeactivate,
        () if begins(&["_$User$_.Update", "Пользователи.Изменение"]) => Action::PermissionChange,
        () if begins(&["_$InfoBase$_.", "Информационная база"]) => Action::SettingChange,
        () => Action::Other,
    };
    (action, Outcome::Success)
}
