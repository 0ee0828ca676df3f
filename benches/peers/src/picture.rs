//! Draws the time per event against the number of webhooks, as an SVG.
//!
//! Both axes are logarithmic, and a line has its label at its end. The colors follow the reader's
//! preference for light or dark. The text has no `#`, `%`, `'` and no empty line, so that the
//! documentation can show it as a `data:` URL.

use crate::engines::{PEERS, Takes};
use crate::measure::Outcome;
use crate::number::commas;

const LEFT: f64 = 70.0;
const RIGHT: f64 = 610.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 430.0;

/// The colors of [`PEERS`] on a light and on a dark background, as RGB.
const COLORS: [[&str; 2]; PEERS.len()] = [
    ["0,80,190", "110,180,255"],
    ["40,130,230", "70,140,230"],
    ["90,90,90", "170,170,170"],
    ["170,85,0", "255,165,80"],
    ["125,50,150", "215,150,240"],
    ["165,80,190", "180,110,210"],
    ["0,120,80", "70,210,160"],
    ["190,30,50", "255,120,130"],
    ["130,105,0", "225,200,60"],
    ["110,70,50", "205,165,140"],
];

const STYLE: &str = r#"svg{font:13px system-ui,sans-serif} text{fill:currentColor} .end{text-anchor:end} .mid{text-anchor:middle}
polyline{fill:none;stroke:currentColor;stroke-width:1.5} circle{fill:currentColor}
.p0 polyline,.p1 polyline{stroke-width:3} .p0,.p1{font-weight:600} .p2 polyline{stroke-dasharray:6 4}
.paper{fill:rgb(255,255,255)} .axes{color:rgb(60,65,70)} .grid{stroke:rgb(225,228,232)}"#;
const STYLE_DARK: &str =
    ".paper{fill:rgb(13,17,23)} .axes{color:rgb(175,182,190)} .grid{stroke:rgb(45,51,59)}";

/// Logarithmic axes.
struct Axes {
    /// The fewest and the most webhooks.
    webhooks: [f64; 2],
    /// The exponents of the least and the most microseconds.
    micros: [f64; 2],
}

impl Axes {
    fn x(&self, webhooks: usize) -> f64 {
        let [least, most] = self.webhooks.map(f64::ln);
        LEFT + (RIGHT - LEFT) * ((webhooks as f64).ln() - least) / (most - least).max(1e-9)
    }

    fn y(&self, micros: f64) -> f64 {
        let [least, most] = self.micros;
        BOTTOM - (BOTTOM - TOP) * (micros.log10() - least) / (most - least)
    }
}

/// Returns the picture. `outcomes` are by peer, then by size, and sizes ascend.
pub fn draw(sizes: &[usize], outcomes: &[Vec<Outcome>], caption: &str) -> String {
    let points = |of: &Vec<Outcome>| -> Vec<(usize, f64)> {
        let pairs = sizes.iter().zip(of);
        pairs.filter_map(|(size, one)| Some((*size, one.result.as_ref().ok()?.micros))).collect()
    };
    let lines: Vec<_> = outcomes.iter().map(points).collect();
    let micros = lines.iter().flatten().map(|(_, micros)| micros.log10());
    let axes = Axes {
        webhooks: [sizes[0] as f64, sizes[sizes.len() - 1] as f64],
        micros: [
            micros.clone().fold(f64::INFINITY, f64::min).floor(),
            micros.fold(f64::NEG_INFINITY, f64::max).ceil(),
        ],
    };
    let mut svg = head(caption) + &grid(sizes, &axes);
    // The labels of lines that end close together are moved apart.
    let whole = lines.iter().enumerate().filter(|(_, line)| line.len() == sizes.len());
    let mut labels: Vec<_> = whole.map(|(at, line)| (axes.y(line[line.len() - 1].1), at)).collect();
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    for _ in 0..1_000 {
        for at in 1..labels.len() {
            let missing = (16.0 - (labels[at].0 - labels[at - 1].0)).max(0.0);
            labels[at - 1].0 -= missing / 2.0;
            labels[at].0 += missing / 2.0;
        }
    }
    for (at, line) in lines.iter().enumerate() {
        let Some(&(last, micros)) = line.last() else { continue };
        let (mut joined, mut circles) = (String::new(), String::new());
        for (x, y) in line.iter().map(|(size, micros)| (axes.x(*size), axes.y(*micros))) {
            joined += &format!("{x:.1},{y:.1} ");
            circles += &format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
        }
        // A line that ends before the last size has its label there.
        let (y, to) = match labels.iter().find(|label| label.1 == at) {
            Some((y, _)) => (y + 4.0, String::new()),
            None => (axes.y(micros) + 2.0, format!(" (to {})", commas(last))),
        };
        let (x, name) = (axes.x(last) + 10.0, name(at));
        svg += &format!(
            "<g class=\"p{at}\"><polyline points=\"{}\"/>{circles}\n<text x=\"{x:.1}\" y=\"{y:.1}\">{name}{to}</text></g>\n",
            joined.trim_end()
        );
    }
    svg + "</svg>\n"
}

fn name(peer: usize) -> String {
    let peer = &PEERS[peer];
    match (peer.name, peer.takes) {
        ("hooksieve", Takes::Attributes) => "hooksieve, attributes".to_owned(),
        ("hooksieve", Takes::Bytes) => "hooksieve, bytes".to_owned(),
        (name, _) => name.replace('`', ""),
    }
}

fn head(caption: &str) -> String {
    let [light, dark] = [0, 1].map(|mode| {
        let colors = COLORS.iter().enumerate();
        colors.map(|(at, of)| format!(".p{at}{{color:rgb({})}}", of[mode])).collect::<String>()
    });
    // What cannot be in the text; see above.
    let caption = caption.replace(['<', '>', '&', '#', '%', '\'', '"', '\n'], " ");
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 500" role="img" aria-label="Time per event against the number of webhooks">
<style>{STYLE} {light}
@media (prefers-color-scheme:dark){{{STYLE_DARK} {dark}}}</style>
<rect class="paper" width="800" height="500" rx="6"/>
<text class="axes" x="{LEFT}" y="488" style="font-size:11px">{caption}</text>
"#
    )
}

fn grid(sizes: &[usize], axes: &Axes) -> String {
    let line = |x1: f64, y1: f64, x2: f64, y2: f64| {
        format!(r#"<path class="grid" d="M{x1:.1},{y1:.1} L{x2:.1},{y2:.1}"/>"#)
    };
    let mut svg = "<g class=\"axes\">\n".to_owned();
    for exponent in axes.micros[0] as i32..=axes.micros[1] as i32 {
        let y = axes.y(10f64.powi(exponent));
        let units = [("ns", 3), ("µs", 0), ("ms", -3), ("s", -6)];
        let unit = units.iter().find(|(_, shift)| exponent + shift < 3).unwrap_or(&units[3]);
        let (x, of, text) = (LEFT - 8.0, 10f64.powi(exponent + unit.1), y + 4.0);
        svg += &line(LEFT, y, RIGHT, y);
        svg += &format!("<text class=\"end\" x=\"{x}\" y=\"{text:.1}\">{of} {}</text>\n", unit.0);
    }
    for (x, size) in sizes.iter().map(|size| (axes.x(*size), commas(*size))) {
        svg += &line(x, TOP, x, BOTTOM);
        svg += &format!("<text class=\"mid\" x=\"{x:.1}\" y=\"448\">{size}</text>\n");
    }
    svg + "<text class=\"mid\" x=\"340\" y=\"468\">webhooks</text><text x=\"76\" y=\"34\">time per event</text>\n</g>\n"
}
