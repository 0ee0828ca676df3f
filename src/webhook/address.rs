//! Checks that a webhook may reach an address, after its host was resolved.
//!
//! # Why on each delivery
//!
//! A host is checked when a webhook is created, but its owner controls what it resolves to, and can
//! change that at any time (DNS rebinding). Only the address of the connection is final. A client
//! that resolves a second time after the check may get another address, so it must connect to the
//! one that was checked.
//!
//! # How a block is compared
//!
//! Both families are compared as 128 bits, from the highest bit on. A block contains an address if
//! the bits of its length do not differ:
//!
//! ```text
//! 169.254.169.254        a9fe a9fe 0000 0000 …
//! 169.254.0.0/16         a9fe 0000 0000 0000 …
//! exclusive or           0000 a9fe 0000 0000 …       >> (128 − 16) is 0: inside
//! ```
//!
//! # Order of the table
//!
//! The first block names the reason, so a narrower block comes before a wider one that contains it:
//! `::1/128` before `::/96`, that before `::/3`. The order never changes whether an address is
//! allowed.

use crate::diagnostic::Diagnostic;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

/// Checks that an address is public: global unicast and not for special use.
///
/// Call this on each delivery with the address to which the client connects, and do not follow
/// redirects. A valid domain name may resolve to any address, and to another one at the next
/// look-up.
///
/// These are forbidden: the blocks of the IANA special-purpose registries, including the globally
/// reachable addresses in them; multicast; and the addresses at which clouds serve their metadata.
/// For an address with the well-known prefix of NAT64, the IPv4 address in it is checked. A
/// network's own NAT64 prefix cannot be recognized, so its addresses are checked like any others.
///
/// [`Rules::check_address`](super::Rules::check_address) also allows loopback addresses in
/// development mode.
///
/// ```
/// use hooksieve::webhook::check_address;
///
/// assert!(check_address("93.184.215.14".parse()?).is_ok());
/// let error = check_address("169.254.169.254".parse()?).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the address is in 169.254.0.0/16, link-local (RFC 3927), with the metadata of clouds"
/// );
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # Errors
///
/// A forbidden address; the message names its block.
pub fn check_address(address: IpAddr) -> Result<(), Diagnostic> {
    let judged = match address {
        // `64:ff9b::a9fe:a9fe` reaches 169.254.169.254. The low 32 bits are the IPv4 address.
        IpAddr::V6(v6) if v6.segments().starts_with(&NAT64) => {
            IpAddr::V4(Ipv4Addr::from(u128::from(v6) as u32))
        }
        other => other,
    };
    match BLOCKS.iter().find(|block| block.contains(judged)) {
        Some(Block { text, purpose, .. }) => Err(Diagnostic::error(
            "address-forbidden",
            format!("the address is in {text}, {purpose}"),
            "use a public address",
        )),
        None => Ok(()),
    }
}

/// The well-known prefix `64:ff9b::/96` (RFC 6052); the other 32 bits are an IPv4 address.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// The forbidden blocks. A message names the first one that contains the address.
const TABLE: [(&str, &str); 37] = [
    ("0.0.0.0/8", "this network (RFC 791)"),
    ("10.0.0.0/8", "private use (RFC 1918)"),
    ("100.64.0.0/10", "shared by carriers (RFC 6598), with the metadata of a cloud"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("168.63.129.16/32", "the metadata of a cloud"),
    ("169.254.0.0/16", "link-local (RFC 3927), with the metadata of clouds"),
    ("172.16.0.0/12", "private use (RFC 1918)"),
    ("192.0.0.0/24", "protocol assignments (RFC 6890), with the metadata of a cloud"),
    ("192.0.2.0/24", "documentation (RFC 5737)"),
    ("192.31.196.0/24", "answers for private names (RFC 7535)"),
    ("192.52.193.0/24", "relays of multicast (RFC 7450)"),
    ("192.88.99.0/24", "relays of 6to4 (RFC 7526)"),
    ("192.168.0.0/16", "private use (RFC 1918)"),
    ("192.175.48.0/24", "answers for private names (RFC 7534)"),
    ("198.18.0.0/15", "benchmarks (RFC 2544)"),
    ("198.51.100.0/24", "documentation (RFC 5737)"),
    ("203.0.113.0/24", "documentation (RFC 5737)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("240.0.0.0/4", "reserved, with broadcast (RFC 1112)"),
    ("::/128", "unspecified (RFC 4291)"),
    ("::1/128", "loopback (RFC 4291)"),
    ("::ffff:0:0/96", "IPv4-mapped (RFC 4291)"),
    ("::/96", "IPv4-compatible (RFC 4291)"),
    ("64:ff9b:1::/48", "local translation of IPv4 (RFC 8215)"),
    ("fc00::/7", "unique local (RFC 4193), with the metadata of clouds"),
    ("fe80::/10", "link-local (RFC 4291)"),
    ("fec0::/10", "site-local (RFC 3879)"),
    ("ff00::/8", "multicast (RFC 4291)"),
    ("2001::/32", "Teredo (RFC 4380)"),
    ("2001::/23", "protocol assignments (RFC 2928)"),
    ("2001:db8::/32", "documentation (RFC 3849)"),
    ("2002::/16", "6to4 (RFC 7526)"),
    ("2620:4f:8000::/48", "answers for private names (RFC 7534)"),
    ("3fff::/20", "documentation (RFC 9637)"),
    // Assigned global unicast addresses begin with the bits 001. These are all others.
    ("::/3", "not global unicast (RFC 4291)"),
    ("4000::/2", "not global unicast (RFC 4291)"),
    ("8000::/1", "not global unicast (RFC 4291)"),
];

/// A forbidden block of addresses.
struct Block {
    text: &'static str,
    purpose: &'static str,
    /// The network, in the high bits for both families.
    network: u128,
    length: u32,
    v4: bool,
}

impl Block {
    fn contains(&self, address: IpAddr) -> bool {
        // No block has length 0, so the shift is below 128.
        let differ = high_bits(address) ^ self.network;
        // Without the family, `10.0.0.0/8` would contain `a00::`, since both begin with the same
        // bits.
        self.v4 == address.is_ipv4() && differ >> (128 - self.length) == 0
    }
}

/// Returns the bits of an address, from the highest bit on.
fn high_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    }
}

// Parsed once, so that the table has the blocks as the registries and the messages write them.
static BLOCKS: LazyLock<[Block; TABLE.len()]> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the rows are constants, and a test reads them all")]
    TABLE.map(|(text, purpose)| {
        let (address, length) = text.split_once('/').expect("a row has a length");
        let network: IpAddr = address.parse().expect("a row begins with an address");
        let length = length.parse().expect("a length is a number");
        Block { text, purpose, network: high_bits(network), length, v4: network.is_ipv4() }
    })
});
