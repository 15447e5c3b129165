//! Addresses and ranges of them.

use std::fmt;
use std::net::IpAddr;

/// An address range; a single address is one of full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    /// With zeros behind `length`.
    address: IpAddr,
    length: u8,
}

// === impl Range ===

impl Range {
    /// None for what Istio cannot read either.
    pub(crate) fn new(value: &str) -> Option<Self> {
        let (address, length) = match value.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            // A zone is read, and then plays no part.
            None => (
                value.split_once('%').map_or(value, |(address, _)| address),
                None,
            ),
        };
        let address: IpAddr = address.parse().ok()?;
        let length_max = bits(address);
        let length = length.unwrap_or(length_max);
        (length <= length_max).then(|| Self {
            address: masked(address, length),
            length,
        })
    }

    /// Only addresses of the same family can be in it.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.length) == self.address
    }

    /// The range of that length around an address, if the family has it.
    pub(crate) fn around(address: IpAddr, length: u8) -> Option<Self> {
        (length <= bits(address)).then(|| Self {
            address: masked(address, length),
            length,
        })
    }

    pub(crate) fn length(self) -> u8 {
        self.length
    }

    pub(crate) fn address(self) -> IpAddr {
        self.address
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == bits(self.address) {
            write!(formatter, "{}", self.address)
        } else {
            write!(formatter, "{}/{}", self.address, self.length)
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests;
