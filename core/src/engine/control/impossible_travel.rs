//! Two places faster than a flight.

use super::{Asked, Control, Kind, RULE, SeverityRule, floor, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        math::{number, stored},
        memory::{Memory, Place},
        rule::{Hits, Rule},
    },
    event::Net,
};

pub(super) const CONTROL: Control = Control {
    id: "impossible_travel",
    title: words("Two places faster than a flight", "Быстрее самолёта"),
    kind: Kind::Rule,
    about: words(
        "Two places between which nobody travels so fast; VPN, mobile carriers and relays do not count. Context of other evidence, never an alert by itself",
        "Два места, между которыми так быстро не добраться; VPN, мобильная связь и ретрансляторы не считаются. Дополняет другие признаки, само оповещения не открывает",
    ),
    mitre: &["T1078"],
    severity: SeverityRule::Fixed(Severity::Low),
    settings: &[
        floor("km_per_hour", 900.0, "kilometres per hour that no traveller makes", "километров в час, с которыми никто не передвигается"),
        floor("least_km", 100.0, "kilometres below which a place is the same", "километров, ближе которых место считается тем же"),
    ],
    said: Some(said),
    benign: &[
        words("Is an address placed wrongly on the map?", "Не ошибается ли карта адресов?"),
        words("Does a company proxy or a remote desktop stand elsewhere?", "Не стоит ли в другом месте прокси или удалённый рабочий стол?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let event = asked.now.event;
    let Some(place) = event.client.as_ref().filter(|_| event.ok()) else { return };
    let (Some(lat), Some(lon)) = (place.lat, place.lon) else { return };
    if matches!(place.net, Some(Net::Vpn | Net::Mobile | Net::Relay)) || !(lat.abs() <= 90.0 && lon.abs() <= 180.0) {
        return;
    }
    let now = Place { lat: stored(lat), lon: stored(lon), at: event.time.millis() };
    let Some(before) = memory.place else {
        memory.place = Some(now);
        return;
    };
    let (km, hours) = (distance_km(before, now), (now.at - before.at).unsigned_abs());
    let hours = number(hours) / 3_600_000.0;
    let limits = &asked.terms.limits;
    if km >= limits.travel_km && km > limits.travel_kmh * hours {
        hits.mark(Rule::ImpossibleTravel, event.time, [km.round(), (limits.travel_kmh * hours).round()], &[]);
    }
    if now.at >= before.at {
        memory.place = Some(now);
    }
}

/// Along the great circle (haversine), on a sphere of 6371 km.
fn distance_km(a: Place, b: Place) -> f64 {
    let rad = |degrees: f32| f64::from(degrees).to_radians();
    let (dlat, dlon) = (rad(b.lat) - rad(a.lat), rad(b.lon) - rad(a.lon));
    let half = |x: f64| libm::pow(libm::sin(x / 2.0), 2.0);
    let h = half(dlat) + libm::cos(rad(a.lat)) * libm::cos(rad(b.lat)) * half(dlon);
    2.0 * 6371.0 * libm::asin(libm::sqrt(h).min(1.0))
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    Text {
        en: format!(
            "{} from the place before, at {clock}; in that time a flight makes at most {}",
            phrase::en(hit.observed, "kilometre", "kilometres"),
            phrase::n_en(hit.expected)
        ),
        ru: format!(
            "{} от прежнего места, в {clock}; за это время самолёт пролетает не больше {}",
            phrase::ru(hit.observed, ["километр", "километра", "километров"]),
            phrase::n_ru(hit.expected)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moscow_to_amsterdam() {
        let at = |lat, lon| Place { lat, lon, at: 0 };
        let km = distance_km(at(55.7558, 37.6173), at(52.3676, 4.9041));
        assert!((km - 2147.0).abs() < 15.0, "{km}");
        assert!(distance_km(at(10.0, 20.0), at(10.0, 20.0)).abs() < 1e-9);
        assert!((distance_km(at(0.0, 0.0), at(0.0, 180.0)) - 20_015.0).abs() < 1.0, "half round the earth");
    }
}
