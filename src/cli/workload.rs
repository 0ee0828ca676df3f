//! Seeded webhooks and events of one event type, for the verb `generate` and for the benches, which
//! include this file.

use std::fmt::Write as _;

/// Which filters the webhooks have, and what values they and the events draw from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    /// Over 50,000 ids, 5,000 spaces and 5,000 top-level resources, so that an event matches 0.2
    /// of 1,000 webhooks and 20 of 100,000. Of the filters, 82 % are disjunctions of one to four
    /// `eq`, 12 % a conjunction with `data.status`, 6 % nested three deep.
    Selective,
    /// As selective, but 10 % of the filters are `spaceId ne …`, and 5 % of webhooks have none.
    Full,
    /// The filters of the first over values that grow with the webhooks: five ids a webhook, half a
    /// space, half a top-level resource, so that an event matches two however many there are.
    Growing,
}

impl Mix {
    pub(super) const ALL: [Self; 3] = [Self::Selective, Self::Full, Self::Growing];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Selective => "selective",
            Self::Full => "full",
            Self::Growing => "growing",
        }
    }
}

/// A source of filters and events.
pub(super) struct Workload {
    mix: Mix,
    ids: u64,
    others: u64,
    random: Random,
}

/// splitmix64
struct Random(u64);

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

pub(super) const TENANT: &str = "svua0w_Icu2Kl1-SPshoNwgzAWdVLK0N";
pub(super) const TYPE: &str = "com.qlik.v1.app.reload.finished";

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

impl Workload {
    /// The values are those for `webhooks` many; equal seeds give equal streams.
    pub(super) fn new(mix: Mix, webhooks: usize, seed: u64) -> Self {
        let webhooks = webhooks as u64;
        let (ids, others) = match mix {
            Mix::Growing => (webhooks.saturating_mul(5).max(1), (webhooks / 2).max(1)),
            Mix::Selective | Mix::Full => (50_000, 5_000),
        };
        Self { mix, ids, others, random: Random(seed) }
    }

    fn id(&mut self) -> String {
        value(1, self.random.below(self.ids))
    }

    fn space(&mut self) -> String {
        value(2, self.random.below(self.others))
    }

    fn resource(&mut self) -> String {
        value(3, self.random.below(self.others))
    }

    fn status(&mut self) -> &'static str {
        if self.random.below(2) == 0 { "ok" } else { "error" }
    }

    fn equal(&mut self) -> String {
        match self.random.below(10) {
            0..6 => format!("id eq \"{}\"", self.id()),
            6..8 => format!("spaceId eq \"{}\"", self.space()),
            _ => format!("topLevelResourceId eq \"{}\"", self.resource()),
        }
    }

    /// The text of one webhook's filter; empty for one without.
    pub(super) fn filter(&mut self) -> String {
        if self.mix == Mix::Full {
            match self.random.below(100) {
                0..10 => return format!("spaceId ne \"{}\"", self.space()),
                10..15 => return String::new(),
                _ => {}
            }
        }
        match self.random.below(100) {
            0..82 => {
                let mut text = self.equal();
                for _ in 0..self.random.below(4) {
                    let _ = write!(text, " or {}", self.equal());
                }
                text
            }
            82..94 => {
                format!("spaceId eq \"{}\" and data.status eq \"{}\"", self.space(), self.status())
            }
            _ => format!(
                "{} and (spaceId ne \"{}\" or ({} and data.status ne \"{}\"))",
                self.equal(),
                self.space(),
                self.equal(),
                self.status()
            ),
        }
    }

    /// A CloudEvent of about 800 bytes.
    pub(super) fn event(&mut self, tenant: &str) -> String {
        let (id, space, resource, status) =
            (self.id(), self.space(), self.resource(), self.status());
        let number = self.random.next();
        format!(
            r#"{{"id":"{own}","data":{{"id":"{id}","name":"Sales overview","size":{{"memory":{memory}}},"errors":[],"status":"{status}","endTime":"2026-10-30T07:06:22Z","duration":42,"reloadId":"{reload}","rowLimit":-1,"warnings":[],"isSessionApp":false,"peakMemoryBytes":1048576}},"time":"2026-10-30T07:06:22Z","type":"{TYPE}","source":"com.qlik/engine","userid":"{user}","ownerid":"{user}","spaceid":"{space}","tenantid":"{tenant}","sessionid":"{session}","specversion":"1.0","datacontenttype":"application/json","toplevelresourceid":"{resource}"}}"#,
            own = value(4, number),
            memory = number % 1_000_000_000,
            reload = value(5, number),
            user = value(6, number % 1000),
            session = value(7, number),
        )
    }
}
