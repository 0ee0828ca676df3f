//! Generates webhooks and events of one event type from a seed.
//!
//! The verb `generate` uses it, and the benches include this file.
//!
//! # How a webhook and an event meet
//!
//! A value is a function of its kind and a number, and both sides draw the number from the same
//! range. So filters and events share values without a list of them, and the size of the range
//! decides how often they meet. For `growing`, that range grows with the webhooks.
//!
//! ```text
//! value(1, 17)   the 18th id: the same UUID in a filter, in an event, in any run
//! value(2, 17)   the 18th space: another UUID
//! ```

use std::fmt::Write as _;

/// The filters of the webhooks, and the values in filters and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Filters over 50,000 ids, 5,000 spaces and 5,000 top-level resources.
    ///
    /// An event matches on average 0.2 of 1,000 webhooks and 20 of 100,000. Of the filters, 82 %
    /// are disjunctions of one to four `eq`, 12 % conjunctions with `data.status`, and 6 % have
    /// three levels.
    Selective,
    /// Like `Selective`, but 10 % of the filters are `spaceId ne …`, and 5 % of the webhooks have
    /// none.
    Full,
    /// The filters of `Selective` over a number of values that grows with the webhooks.
    ///
    /// There are five ids, half a space and half a top-level resource per webhook, so that an event
    /// matches two webhooks on average, for any number of them.
    Growing,
}

impl Mix {
    pub(crate) const ALL: [Self; 3] = [Self::Selective, Self::Full, Self::Growing];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Selective => "selective",
            Self::Full => "full",
            Self::Growing => "growing",
        }
    }
}

/// A generator of filters and events.
pub(crate) struct Workload {
    mix: Mix,
    ids: u64,
    others: u64,
    random: Random,
}

/// The random number generator splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        // The remainder is slightly biased for an `n` that is no power of two, which does not
        // matter here.
        self.next() % n
    }
}

pub(crate) const TENANT: &str = "svua0w_Icu2Kl1-SPshoNwgzAWdVLK0N";
pub(crate) const TYPE: &str = "com.qlik.v1.app.reload.finished";

/// Returns a value in the form of a UUID, determined by its kind and number.
fn value(kind: u64, number: u64) -> String {
    // For numbers below 2³², the kind is above the number, so two kinds never share a state.
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
    /// Returns a generator for `webhooks` webhooks. Equal arguments give equal sequences.
    pub(crate) fn new(mix: Mix, webhooks: usize, seed: u64) -> Self {
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
            // Six of ten terms are over ids, the attribute with the most values.
            0..6 => format!("id eq \"{}\"", self.id()),
            6..8 => format!("spaceId eq \"{}\"", self.space()),
            _ => format!("topLevelResourceId eq \"{}\"", self.resource()),
        }
    }

    /// Returns the next webhook's filter, which is empty if it has none.
    pub(crate) fn filter(&mut self) -> String {
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

    /// Returns the next event, a CloudEvent of about 800 bytes.
    pub(crate) fn event(&mut self, tenant: &str) -> String {
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
