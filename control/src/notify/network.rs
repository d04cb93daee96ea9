//! Networks, and which addresses nobody outside should make this program call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address range: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network such as 10.0.0.0/8, fd00::/8 or 127.0.0.1")]
pub struct BadNetwork(String);

impl std::str::FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.chars().take(64).collect());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| bad()))?;
        if prefix > bits {
            return Err(bad());
        }
        Ok(Self { address, prefix })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl serde::Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Network {
    /// True when `ip` is in it; an IPv4 address in its IPv6 clothes is that IPv4 address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => same_v4(network, ip, self.prefix),
            (IpAddr::V6(network), IpAddr::V6(ip)) => same_v6(network, ip, self.prefix),
            _ => false,
        }
    }
}

fn same_v4(a: Ipv4Addr, b: Ipv4Addr, prefix: u8) -> bool {
    let differ = a.to_bits() ^ b.to_bits();
    prefix == 0 || differ >> (32 - u32::from(prefix)) == 0
}

fn same_v6(a: Ipv6Addr, b: Ipv6Addr, prefix: u8) -> bool {
    let differ = a.to_bits() ^ b.to_bits();
    prefix == 0 || differ >> (128 - u32::from(prefix)) == 0
}

/// IANA's special-purpose registry: what is not reachable by everybody.
const REFUSED_V4: [(Ipv4Addr, u8, &str); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this host"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relays"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

const fn v6(first: u16, second: u16) -> Ipv6Addr {
    Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)
}

/// The same; the first that fits counts.
const REFUSED_V6: [(Ipv6Addr, u8, &str); 10] = [
    (Ipv6Addr::UNSPECIFIED, 128, "this host"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (v6(0xfc00, 0), 7, "unique local"),
    (v6(0xfe80, 0), 10, "link-local"),
    (v6(0xfec0, 0), 10, "site-local"),
    (v6(0xff00, 0), 8, "multicast"),
    (v6(0x2001, 0), 23, "protocol assignments"),
    (v6(0x2001, 0xdb8), 32, "documentation"),
    (v6(0x2002, 0), 16, "6to4"),
    (v6(0x3fff, 0), 20, "documentation"),
];

/// Where all of the public IPv6 internet lies.
const GLOBAL_V6: (Ipv6Addr, u8) = (v6(0x2000, 0), 3);
/// Addresses that a gateway turns into the IPv4 address in their last 32 bits.
const NAT64: (Ipv6Addr, u8) = (v6(0x64, 0xff9b), 96);

/// The kind of range an address lies in that is refused unless it is listed; `None` for a public one.
#[must_use]
pub fn why_refused(ip: IpAddr) -> Option<&'static str> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => why_refused_v4(ip),
        IpAddr::V6(ip) if same_v6(NAT64.0, ip, NAT64.1) => {
            let [.., a, b, c, d] = ip.octets();
            why_refused_v4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(ip) => {
            let mut ranges = REFUSED_V6.iter();
            let named = ranges.find(|(network, prefix, _)| same_v6(*network, ip, *prefix));
            let outside = !same_v6(GLOBAL_V6.0, ip, GLOBAL_V6.1);
            named
                .map(|(.., kind)| *kind)
                .or_else(|| outside.then_some("not global"))
        }
    }
}

fn why_refused_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let mut ranges = REFUSED_V4.iter();
    let found = ranges.find(|(network, prefix, _)| same_v4(*network, ip, *prefix));
    found.map(|(.., kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_refused_from_their_first_address_to_their_last() {
        for (first, last, kind) in [
            ("0.0.0.0", "0.255.255.255", "this host"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "protocol assignments"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "benchmarks"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.255", "reserved"),
            ("::", "::", "this host"),
            ("::1", "::1", "loopback"),
            ("::2", "::ffff", "not global"),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "::ffff:169.254.169.254", "link-local"),
            ("64:ff9b::10.0.0.1", "64:ff9b::10.255.255.255", "private"),
            ("64:ff9b:1::1", "64:ff9b:1:ffff::1", "not global"),
            ("fc00::", "fdff:ffff::1", "unique local"),
            ("fe80::1", "febf::1", "link-local"),
            ("fec0::1", "feff::1", "site-local"),
            ("ff00::1", "ffff::1", "multicast"),
            ("2001::1", "2001:1ff:ffff::1", "protocol assignments"),
            ("2001:db8::1", "2001:db8:ffff::1", "documentation"),
            ("2002:7f00:1::", "2002:ffff::1", "6to4"),
            ("3fff::1", "3fff:fff::1", "documentation"),
            ("4000::1", "fbff::1", "not global"),
        ] {
            for ip in [first, last] {
                assert_eq!(why_refused(ip.parse().unwrap()), Some(kind), "{ip}");
            }
        }
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(why_refused(public.parse().unwrap()), None, "{public}");
        }
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        let holds = |text: &str, ip: &str| network(text).contains(ip.parse().unwrap());
        assert!(holds("10.1.0.0/16", "10.1.255.255") && !holds("10.1.0.0/16", "10.2.0.0"));
        assert!(holds("127.0.0.1", "127.0.0.1") && holds("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(!holds("127.0.0.1", "127.0.0.2") && !holds("127.0.0.1", "::1"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe12::1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "localhost",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!(network("fd00::/8").to_string(), "fd00::/8");
    }
}
