//! The picture of `filin evaluate`: one SVG that needs nothing else, for light and dark pages.

use crate::model::{Calibrated, Calibration, Evaluation, Level, Point, Share};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 740.0;
/// The upper panel: attacks found.
const TOP: f64 = 96.0;
const BOTTOM: f64 = 400.0;
/// The lower one begins here: calibration, a row per detector.
const BELOW: f64 = 490.0;
const ROW: f64 = 26.0;
/// Names at the ends of lines are at least so far apart.
const APART: f64 = 17.0;
/// A line by strength and one for all: name (also its class), dashes, width.
const LINES: [(&str, &str, f64); 4] = [("weak", "2 3", 2.0), ("medium", "7 4", 2.0), ("strong", "none", 2.0), ("all", "none", 3.0)];
/// Classes of the levels of calibration, the most frequent first, and where in its row each is drawn.
const LEVELS: [(&str, f64); 3] = [("often", -6.0), ("seldom", 0.0), ("rare", 6.0)];

const STYLE: &str = "
text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1f2328}
.title{font-size:17px;font-weight:600}.soft{fill:#59636e}.bold{font-weight:600}.halo{paint-order:stroke;stroke:#fff;stroke-width:4px}
.paper{fill:#fff}.grid{stroke:#d1d9e0}.axis{stroke:#59636e}.told{stroke:#59636e;stroke-dasharray:5 4}
.all{color:#1f2328}.strong{color:#0550ae}.medium{color:#116329}.weak{color:#bc4c00}
.often{color:#0e7490}.seldom{color:#7c3aed}.rare{color:#be185d}
.name{fill:currentColor}.ring{fill:none;stroke:#1f2328;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}.halo{stroke:#0d1117}
.paper{fill:#0d1117}.grid{stroke:#30363d}.axis,.told{stroke:#9198a1}
.all{color:#e6edf3}.strong{color:#6cb6ff}.medium{color:#57d364}.weak{color:#ffa657}
.often{color:#39c5cf}.seldom{color:#c4a7ff}.rare{color:#ff80c0}.name{fill:currentColor}.ring{stroke:#e6edf3}}
";

/// A scale of equal ratios.
struct Log {
    from: f64,
    to: f64,
}

const RATES: Log = Log { from: 0.1, to: 10.0 };
const RATIOS: Log = Log { from: 0.05, to: 20.0 };

impl Log {
    /// Where a value lies; what is off the scale lies at its end.
    fn x(&self, value: f64) -> f64 {
        let part = libm::log(value.clamp(self.from, self.to) / self.from) / libm::log(self.to / self.from);
        LEFT + part * (RIGHT - LEFT)
    }
}

/// An SVG as it grows.
#[derive(Default)]
struct Svg(String);

impl Svg {
    fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        self.0 += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{}</text>\n", escaped(text));
    }

    /// Along the left side, read upwards.
    fn upwards(&mut self, x: f64, y: f64, text: &str) {
        let text = escaped(text);
        self.0 +=
            &format!("<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" class=\"soft\" text-anchor=\"middle\">{text}</text>\n");
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.0 += &format!("<path class=\"{class}\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"currentColor\"/>\n");
    }

    fn path(&mut self, class: &str, points: &[(f64, f64)], rest: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        self.0 += &format!("<path class=\"{class}\" d=\"M{}\" {rest}/>\n", points.join("L"));
    }

    fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, rest: &str) {
        self.0 += &format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" {rest}/>\n");
    }
}

pub(super) fn picture(e: &Evaluation) -> String {
    let mut svg = Svg::default();
    recall(&mut svg, e);
    let height = match &e.calibration {
        None => BOTTOM + 60.0,
        Some(c) => calibration(&mut svg, c),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>Attacks found against false alerts</title>\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n{}</svg>\n",
        svg.0
    )
}

fn found_y(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

/// Attacks found against false alerts, a line by strength.
fn recall(svg: &mut Svg, e: &Evaluation) {
    svg.text(LEFT, 32.0, "title", "start", "Attacks found against false alerts");
    let of = format!("{} attacks, {} manager-days from day {} on; shaded: 95 % interval of all", e.attacks.of, e.manager_days, e.from_day);
    svg.text(LEFT, 52.0, "soft", "start", &of);
    for tenth in [0, 25, 50, 75, 100] {
        let y = found_y(f64::from(tenth) / 100.0);
        svg.line("grid", (LEFT, y), (RIGHT, y));
        svg.text(LEFT - 10.0, y + 4.0, "soft", "end", &format!("{tenth} %"));
    }
    for rate in [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0] {
        svg.line("axis", (RATES.x(rate), BOTTOM), (RATES.x(rate), BOTTOM + 5.0));
        svg.text(RATES.x(rate), BOTTOM + 20.0, "soft", "middle", &rate.to_string());
    }
    svg.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    svg.text(f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0, "soft", "middle", "false alerts of behaviour per 100 manager-days (log scale)");
    svg.upwards(24.0, f64::midpoint(TOP, BOTTOM), "attacks found");
    interval(svg, &e.curve);
    lines(svg, e);
    told(svg, e);
}

fn interval(svg: &mut Svg, curve: &[Point]) {
    let upper = curve.iter().map(|p| (RATES.x(p.rate), found_y(p.found.high)));
    let lower = curve.iter().rev().map(|p| (RATES.x(p.rate), found_y(p.found.low)));
    let around: Vec<(f64, f64)> = upper.chain(lower).collect();
    if !around.is_empty() {
        svg.path("all", &around, "fill=\"currentColor\" opacity=\"0.1\"");
    }
}

/// A line by strength that has attacks, as far as the threshold in use, named where it ends.
fn lines(svg: &mut Svg, e: &Evaluation) {
    let mut names: Vec<(f64, f64, &str, String)> = Vec::new();
    for (name, dashes, width) in LINES {
        let points = points(e, name);
        let Some((x, y)) = points.last().copied() else { continue };
        svg.path(name, &points, &format!("fill=\"none\" stroke=\"currentColor\" stroke-width=\"{width}\" stroke-dasharray=\"{dashes}\""));
        for point in &points {
            svg.circle(name, *point, width + 1.0, "fill=\"currentColor\"");
        }
        names.push((x, y, name, format!("{name} ({})", in_use(e, name).of)));
    }
    names.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = 0.0;
    for (x, y, class, name) in names {
        let y = f64::max(y + 4.0, free);
        free = y + APART;
        svg.text(x + 14.0, y, &format!("{class} name halo"), "start", &name);
    }
}

fn points(e: &Evaluation, name: &str) -> Vec<(f64, f64)> {
    let of = |p: &Point| if name == "all" { Some(p.found) } else { p.by_strength.get(name).copied() };
    let curve = e.curve.iter().map(|p| (Some(p.rate), of(p).unwrap_or_default()));
    let all = curve.chain([(e.false_behavioural.per_100, in_use(e, name))]);
    all.filter_map(|(rate, found)| Some((RATES.x(rate?), found_y(found.share?)))).collect()
}

/// What was found at the threshold in use.
fn in_use(e: &Evaluation, name: &str) -> Share {
    if name == "all" { e.attacks } else { e.by_strength.get(name).copied().unwrap_or_default() }
}

/// Where the alerts were really told.
fn told(svg: &mut Svg, e: &Evaluation) {
    let (Some(per_100), Share { share: Some(found), .. }) = (e.false_behavioural.per_100, e.attacks) else { return };
    let x = RATES.x(per_100);
    svg.line("told", (x, TOP - 12.0), (x, BOTTOM));
    svg.circle("ring", (x, found_y(found)), 7.0, "");
    let text = format!("the threshold in use: {per_100:.2} false per 100, {:.0} % found", 100.0 * found);
    let anchor = if x > f64::midpoint(LEFT, RIGHT) { "end" } else { "start" };
    svg.text(x, TOP - 18.0, "bold", anchor, &text);
}

/// How often each detector speaks over how often it says; returns where the panel ends.
fn calibration(svg: &mut Svg, c: &Calibration) -> f64 {
    let top = BELOW + 66.0;
    let end = c.detectors.iter().fold(top, |y, _| y + ROW);
    svg.text(LEFT, BELOW, "title", "start", "Does evidence mean what it says?");
    let of = format!(
        "{} manager-days of people without an attack from {} on; bars: 95 % intervals; bold: surely too loud",
        c.manager_days, c.from
    );
    svg.text(LEFT, BELOW + 20.0, "soft", "start", &of);
    for ratio in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0] {
        let x = RATIOS.x(ratio);
        svg.line("grid", (x, top), (x, end));
        svg.text(x, end + 18.0, "soft", "middle", &ratio.to_string());
    }
    svg.line("told", (RATIOS.x(1.0), top - 6.0), (RATIOS.x(1.0), end));
    svg.text(f64::midpoint(LEFT, RIGHT), end + 40.0, "soft", "middle", "seen over said (log scale; 1: as it says; hollow: never seen)");
    let mut y = top + ROW / 2.0;
    for d in &c.detectors {
        detector(svg, d, y);
        y += ROW;
    }
    for (level, (i, (class, _))) in c.detectors.first().map_or(&[][..], |d| &d.levels).iter().zip((0_u8..).zip(LEVELS)) {
        let (x, y) = (LEFT + 10.0 + 130.0 * f64::from(i), BELOW + 44.0);
        svg.circle(class, (x, y - 4.0), 4.0, "fill=\"currentColor\"");
        svg.text(x + 10.0, y, &format!("{class} name"), "start", &format!("once in {}", level.one_in));
    }
    end + 60.0
}

fn detector(svg: &mut Svg, d: &Calibrated, y: f64) {
    let class = if d.levels.iter().any(Level::is_loud) { "bold" } else { "soft" };
    svg.text(RIGHT + 12.0, y + 4.0, class, "start", &d.detector);
    for (level, (class, shift)) in d.levels.iter().zip(LEVELS) {
        let Some(ratio) = level.ratio else { continue };
        svg.line(class, (RATIOS.x(level.low), y + shift), (RATIOS.x(level.high), y + shift));
        let fill = if level.observed.found == 0 { "none" } else { "currentColor" };
        svg.circle(class, (RATIOS.x(ratio), y + shift), 3.5, &format!("fill=\"{fill}\" stroke=\"currentColor\""));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Date,
        model::{Input, Kind, Label, Meta, Question, Strength, Version, evaluate},
    };

    /// A strong theft of `a`, who was told of, as was `b` without one.
    fn answer() -> Evaluation {
        let time = Date(20_000).midnight_utc();
        let label = Label {
            label: Kind::Attack,
            scenario: "drip".into(),
            controls: Vec::new(),
            strength: Strength::Strong,
            manager: "a".into(),
            from: time,
            to: time,
            event_ids: Vec::new(),
            exposure: 0,
            course: Vec::new(),
            expect: None,
        };
        let version = |manager: &str, bits| Version {
            alert_id: manager.into(),
            version: 1,
            manager: Some(manager.into()),
            time,
            opened_at: None,
            kind: "drip".into(),
            controls: Vec::new(),
            event_ids: Vec::new(),
            bits,
            contributions: Vec::new(),
        };
        let meta = Meta { start: Date(20_000), days: 1, managers: 20, seed: 0, active_managers_by_day: vec![20] };
        let versions = [version("a", 9000), version("b", 5000)];
        let input = Input { labels: &[label], versions: &versions, meta: &meta, days: None, users: None };
        evaluate(&input, &Question { from_day: 0, budget: 1.0 })
    }

    fn level(found: u64, ratio: f64, low: f64) -> Level {
        Level { one_in: 20, observed: Share { found, ..Share::default() }, ratio: Some(ratio), low, high: 3.0 }
    }

    #[test]
    fn scales_have_ends_and_a_middle() {
        for (value, x) in [(0.1, LEFT), (1.0, f64::midpoint(LEFT, RIGHT)), (10.0, RIGHT), (0.0, LEFT), (99.0, RIGHT)] {
            assert!((RATES.x(value) - x).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn only_strengths_that_exist_have_a_line() {
        let e = answer();
        let drawn = picture(&e);
        for part in [">strong (1)</text>", ">all (1)</text>", "the threshold in use: 5.00 false per 100, 100 % found"] {
            assert!(drawn.contains(part), "{part} is not in\n{drawn}");
        }
        assert!(!drawn.contains(">weak (") && !drawn.contains("Does evidence"), "{drawn}");
        // One false alert in twenty days is 5 per 100: nothing tells what would be found beyond.
        assert_eq!((e.curve.len(), points(&e, "strong").len()), (10, 11));
    }

    #[test]
    fn a_loud_detector_is_bold_and_no_name_breaks_the_picture() {
        let detectors = vec![
            Calibrated { detector: "a<b&\"c\"".into(), levels: vec![level(5, 2.0, 1.5)] },
            Calibrated { detector: "quiet".into(), levels: vec![level(0, 0.0, 0.0)] },
        ];
        let drawn = picture(&Evaluation { calibration: Some(Calibration { from: Date(0), manager_days: 9, detectors }), ..answer() });
        assert!(drawn.contains("class=\"bold\" text-anchor=\"start\">a&lt;b&amp;&quot;c&quot;</text>"), "{drawn}");
        assert!(drawn.contains("class=\"soft\" text-anchor=\"start\">quiet</text>"), "{drawn}");
        assert_eq!(drawn.matches("class=\"rare\"").count(), 0, "one level is given, one is drawn");
        assert_eq!(drawn.matches("r=\"3.5\" fill=\"none\"").count(), 1, "hollow: never seen");
    }
}
