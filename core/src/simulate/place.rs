//! Cities, networks, devices and browsers. Addresses are from ranges that belong to nobody (RFC 2544, 5737, 6598, 3849).

use jiff::tz::TimeZone;

use super::chance::{Chance, whole};
use crate::event::{Channel, Date, Net, Place, Timestamp};

/// Where a team sits.
pub(super) struct City {
    pub(super) name: &'static str,
    pub(super) zone: &'static str,
    pub(super) country: &'static str,
    pub(super) locale: &'static str,
    pub(super) prefix: &'static str,
    pub(super) lat: f64,
    pub(super) lon: f64,
}

const fn city(
    name: &'static str,
    zone: &'static str,
    country: &'static str,
    locale: &'static str,
    prefix: &'static str,
    lat: f64,
    lon: f64,
) -> City {
    City { name, zone, country, locale, prefix, lat, lon }
}

/// All cities; their place in the list is part of their networks' addresses.
pub(super) const CITIES: &[City] = &[
    city("Moscow", "Europe/Moscow", "RU", "ru", "+7495", 55.75, 37.62),
    city("Berlin", "Europe/Berlin", "DE", "en", "+4930", 52.52, 13.40),
    city("Novosibirsk", "Asia/Novosibirsk", "RU", "ru", "+7383", 55.03, 82.92),
    city("London", "Europe/London", "GB", "en", "+4420", 51.51, -0.13),
    city("Yekaterinburg", "Asia/Yekaterinburg", "RU", "ru", "+7343", 56.84, 60.61),
    city("New York", "America/New_York", "US", "en", "+1212", 40.71, -74.01),
    city("Warsaw", "Europe/Warsaw", "PL", "en", "+4822", 52.23, 21.01),
    city("Almaty", "Asia/Almaty", "KZ", "ru", "+7727", 43.24, 76.89),
    city("Tokyo", "Asia/Tokyo", "JP", "en", "+8133", 35.68, 139.69),
    city("Auckland", "Pacific/Auckland", "NZ", "en", "+6492", -36.85, 174.76),
    city("Sao Paulo", "America/Sao_Paulo", "BR", "en", "+5511", -23.55, -46.63),
    city("Chicago", "America/Chicago", "US", "en", "+1312", 41.88, -87.63),
    city("Anchorage", "America/Anchorage", "US", "en", "+1907", 61.22, -149.90),
    city("Dubai", "Asia/Dubai", "AE", "en", "+9714", 25.20, 55.27),
    city("Istanbul", "Europe/Istanbul", "TR", "en", "+9021", 41.01, 28.98),
];

/// A network, a device and a session: what an event says about how it came.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) place: Place,
    pub(super) channel: Channel,
    pub(super) session: String,
}

/// The instant that a zone's clock of this date counts from: noon less twelve hours, so that a changed clock moves
/// the night and not the working day.
pub(super) fn midnight(zone: &TimeZone, date: Date) -> Timestamp {
    let (y, m, d) = date.ymd();
    let noon = jiff::civil::date(
        i16::try_from(y).expect("years have four digits"),
        i8::try_from(m).expect("a month"),
        i8::try_from(d).expect("a day of a month"),
    )
    .at(12, 0, 0, 0);
    let ms = zone.to_timestamp(noon).map_or_else(|_| date.midnight_utc().plus(12 * 3_600_000).millis(), |t| t.as_millisecond());
    Timestamp::from_millis(ms - 12 * 3_600_000)
}

/// Someone's hardware and networks.
#[derive(Clone, Debug)]
pub(super) struct Kit {
    /// Index into [`CITIES`].
    pub(super) city: usize,
    pub(super) person: usize,
    /// Only the office and the company's VPN are allowed.
    pub(super) fenced: bool,
    pub(super) firefox: bool,
    pub(super) chance: Chance,
}

impl Kit {
    /// At the office.
    pub(super) fn office(&self, date: Date) -> Place {
        self.computer(date, format!("198.18.{}.{}", self.city, 10 + self.person % 240), self.city, 64_600 + self.city, Net::Fixed)
    }

    /// At home; behind the company's VPN where only that is allowed.
    pub(super) fn home(&self, date: Date) -> Place {
        if self.fenced {
            return self.vpn(date);
        }
        let c = self.chance.of("home");
        // A provider hands out another block now and then.
        let lease = c.of("lease").at(date.0.div_euclid(45)).below(3);
        let block = c.of("block").at(lease).below(220);
        let ip = format!("198.19.{block}.{}", 2 + c.of("host").below(250));
        self.computer(date, ip, self.city, 64_700 + self.city * 3 + c.of("provider").below(3), Net::Fixed)
    }

    /// In a hotel of another city.
    pub(super) fn away(&self, date: Date, city: usize, trip: Chance) -> Place {
        if self.fenced {
            return self.vpn(date);
        }
        let ip = format!("198.18.{}.{}", 100 + city * 4 + trip.of("hotel").below(4), 2 + trip.of("room").below(250));
        self.computer(date, ip, city, 64_800 + city, Net::Fixed)
    }

    /// On the telephone.
    pub(super) fn mobile(&self, date: Date, city: usize) -> Place {
        let c = self.chance.of("phone");
        let carrier = c.of("carrier").below(3);
        let pool = c.of("pool").at(date.0).below(4);
        let host = c.of("lease").at(date.0).below(250) + 2;
        let ip = match (self.fenced, carrier) {
            (true, _) => format!("198.18.250.{}", 10 + self.person % 240),
            (false, 0) => format!("2001:db8:{city:x}:{pool:x}00::{host:x}"),
            (false, _) => format!("100.{}.{pool}.{host}", 64 + city * 3 + carrier),
        };
        let generation = date.0.div_euclid(180) + i32::from(c.of("new").hit(0.5));
        Place {
            ip: Some(ip),
            user_agent: Some(format!("CRM/7.{} (iPhone; iOS 18.{})", date.0.rem_euclid(365) / 30, date.0.rem_euclid(365) / 60)),
            device: Some(format!("ph-{:08x}", c.of("device").at(generation).bits() >> 32)),
            country: Some(CITIES[city].country.to_owned()),
            asn: u32::try_from(65_000 + city * 3 + carrier).ok(),
            net: Some(if self.fenced { Net::Vpn } else { Net::Mobile }),
            ..Place::default()
        }
    }

    fn vpn(&self, date: Date) -> Place {
        self.computer(date, format!("198.18.250.{}", 10 + self.person % 240), self.city, 64_599, Net::Vpn)
    }

    fn computer(&self, date: Date, ip: String, city: usize, asn: usize, net: Net) -> Place {
        let c = self.chance.of("laptop");
        // A new laptop about once in two years, on a day of one's own.
        let generation = (date.0 + i32::try_from(c.of("phase").below(700)).unwrap_or(0)).div_euclid(700);
        let version = 100 + (date.0 - 19_000 - i32::try_from(c.of("lag").below(20)).unwrap_or(0)).div_euclid(28);
        let agent = if self.firefox {
            format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0")
        } else {
            format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36")
        };
        Place {
            ip: Some(ip),
            user_agent: Some(agent),
            device: Some(format!("pc-{:08x}", c.of("device").at(generation).bits() >> 32)),
            country: Some(CITIES[city].country.to_owned()),
            asn: u32::try_from(asn).ok(),
            net: Some(net),
            ..Place::default()
        }
    }
}

/// A stranger's machine, far away: rented, with another browser.
pub(super) fn elsewhere(c: Chance) -> Place {
    let block = *c.of("block").pick(&["192.0.2", "198.51.100", "203.0.113"]);
    Place {
        ip: Some(format!("{block}.{}", 1 + c.of("host").below(254))),
        user_agent: Some(format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/{}.1 Safari/605.1.15",
            15 + c.of("v").below(4)
        )),
        device: Some(format!("pc-{:08x}", c.of("device").bits() >> 32)),
        country: Some((*c.of("country").pick(&["NL", "VN", "NG", "RO", "BR", "SG"])).to_owned()),
        asn: u32::try_from(64_496 + c.of("asn").below(14)).ok(),
        net: Some(Net::Hosting),
        ..Place::default()
    }
}

/// A log-in also says which software came, how it was encrypted, and where the address is.
pub(super) fn in_full(place: &Place, c: Chance) -> Place {
    let mut p = place.clone();
    let mobile = p.device.as_deref().is_some_and(|d| d.starts_with("ph-"));
    p.app = Some(if mobile { "crm-mobile" } else { "browser" }.to_owned());
    p.version = p.user_agent.as_deref().and_then(version);
    p.tls = Some(if c.hit(0.93) { "1.3" } else { "1.2" }.to_owned());
    if let Some(city) = CITIES.iter().find(|x| p.net != Some(Net::Hosting) && p.country.as_deref() == Some(x.country)) {
        // Located to within some kilometres, as such databases do.
        let tenth = |x: f64| libm::round(x * 10.0) / 10.0;
        (p.lat, p.lon) = (Some(tenth(city.lat)), Some(tenth(city.lon)));
    }
    p
}

/// `131.0` of a browser's name for itself.
fn version(agent: &str) -> Option<String> {
    let rest = ["Chrome/", "Firefox/", "Version/", "CRM/"].iter().find_map(|n| agent.split(n).nth(1))?;
    let text: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    Some(text.split('.').take(2).collect::<Vec<_>>().join("."))
}

/// Minutes as milliseconds.
pub(super) fn minutes(m: f64) -> i64 {
    i64::try_from(whole(m.abs() * 60_000.0)).unwrap_or(0) * if m < 0.0 { -1 } else { 1 }
}
