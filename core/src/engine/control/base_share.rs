//! The share of the base that one has seen.

use super::{Control, Kind, NAMED, words};

pub(super) const CONTROL: Control = Control {
    id: "base_share",
    title: words("Share of the base seen", "Доля просмотренной базы"),
    kind: Kind::Behavioural,
    about: words(
        "What share of the clients that anybody touched in 90 days this person touched; said in every alert, no alert by itself",
        "Какую долю клиентов, к которым кто-либо обращался за 90 дней, затронул этот человек; указывается в каждом оповещении, само оповещением не бывает",
    ),
    mitre: &["T1213.004"],
    named: Some(words("never: it is context", "никогда: это контекст")),
    benign: &[
        words("Does the person work for all teams?", "Не работает ли человек на все команды?"),
        words("Is the team so small that everybody sees everything?", "Не так ли мала команда, что все видят всё?"),
    ],
    ..NAMED
};
