//! Seeded webhooks and events: one tenant, one event type, values drawn from 50,000 ids, 5,000
//! spaces and 5,000 top-level resources.

use std::fmt::Write as _;

/// Which filters the webhooks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Each event matches few: 82 % disjunctions of one to four `eq`, 12 % a conjunction with
    /// `data.status`, 6 % nested three deep.
    Selective,
    /// The same, but 10 % `spaceId ne …` and 5 % without a filter.
    Full,
}

impl Mix {
    pub const ALL: [Self; 2] = [Self::Selective, Self::Full];

    pub fn name(self) -> &'static str {
        match self {
            Self::Selective => "selective",
            Self::Full => "full",
        }
    }
}

/// splitmix64
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub const TENANT: &str = "svua0w_Icu2Kl1-SPshoNwgzAWdVLK0N";
pub const TYPE: &str = "com.qlik.v1.app.reload.finished";

/// A UUID-shaped value, the same for the same kind and number.
fn value(kind: u64, number: u64) -> String {
    let mut random = Random(kind << 32 | number);
    let (a, b) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

fn id(random: &mut Random) -> String {
    value(1, random.below(50_000))
}

fn space(random: &mut Random) -> String {
    value(2, random.below(5_000))
}

fn resource(random: &mut Random) -> String {
    value(3, random.below(5_000))
}

fn status(random: &mut Random) -> &'static str {
    if random.below(2) == 0 { "ok" } else { "error" }
}

fn equal(random: &mut Random) -> String {
    match random.below(10) {
        0..6 => format!("id eq \"{}\"", id(random)),
        6..8 => format!("spaceId eq \"{}\"", space(random)),
        _ => format!("topLevelResourceId eq \"{}\"", resource(random)),
    }
}

/// The text of one webhook's filter; empty for one without.
pub fn filter(random: &mut Random, mix: Mix) -> String {
    if mix == Mix::Full {
        match random.below(100) {
            0..10 => return format!("spaceId ne \"{}\"", space(random)),
            10..15 => return String::new(),
            _ => {}
        }
    }
    match random.below(100) {
        0..82 => {
            let mut text = equal(random);
            for _ in 0..random.below(4) {
                let _ = write!(text, " or {}", equal(random));
            }
            text
        }
        82..94 => {
            format!("spaceId eq \"{}\" and data.status eq \"{}\"", space(random), status(random))
        }
        _ => format!(
            "{} and (spaceId ne \"{}\" or ({} and data.status ne \"{}\"))",
            equal(random),
            space(random),
            equal(random),
            status(random)
        ),
    }
}

/// A CloudEvent of about 720 bytes.
pub fn event(random: &mut Random) -> String {
    let (id, space, resource, status) =
        (id(random), space(random), resource(random), status(random));
    let number = random.next();
    format!(
        r#"{{"id":"{own}","data":{{"id":"{id}","name":"Sales overview","size":{{"memory":{memory}}},"errors":[],"status":"{status}","endTime":"2026-10-30T07:06:22Z","duration":42,"reloadId":"{reload}","rowLimit":-1,"warnings":[],"isSessionApp":false,"peakMemoryBytes":1048576}},"time":"2026-10-30T07:06:22Z","type":"{TYPE}","source":"com.qlik/engine","userid":"{user}","ownerid":"{user}","spaceid":"{space}","tenantid":"{TENANT}","sessionid":"{session}","specversion":"1.0","datacontenttype":"application/json","toplevelresourceid":"{resource}"}}"#,
        own = value(4, number),
        memory = number % 1_000_000_000,
        reload = value(5, number),
        user = value(6, number % 1000),
        session = value(7, number),
    )
}
