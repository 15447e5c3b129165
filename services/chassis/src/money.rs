//! Money in minor units. It is parsed at the edge from `google.type.Money`'s three parts and never
//! becomes a float.

mod currency;

use std::fmt;

use crate::error::Violations;

pub use currency::Currency;

/// `google.type.Money` counts parts of a unit in billionths.
const NANOS_PER_UNIT: i64 = 1_000_000_000;

/// An amount in the smallest unit of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why two amounts cannot be computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are of two currencies.
    #[error("{0} and {1} cannot be combined")]
    CurrencyMismatch(Currency, Currency),
    /// The result has no place in 64 bits.
    #[error("amount is too large")]
    Overflow,
}

// === impl Money ===

impl Money {
    /// An amount in minor units (cents).
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Parses the three parts of `google.type.Money`. Every part that is wrong is named, as
    /// `currencyCode`, `units` or `nanos`.
    pub fn parse(currency_code: &str, units: i64, nanos: i32) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let nanos = i64::from(nanos);
        let in_range = nanos.abs() < NANOS_PER_UNIT;
        violations.check(in_range, "nanos", "must be within -999999999 and 999999999");
        let one_sign = units.signum() * nanos.signum() >= 0;
        violations.check(one_sign, "nanos", "must have the sign of units");
        let Some(currency) = Currency::of(currency_code) else {
            violations.add("currencyCode", "is not an ISO 4217 code that is supported");
            return Err(violations);
        };
        let step = NANOS_PER_UNIT / currency.minor_per_unit();
        let whole = nanos % step == 0;
        violations.check(whole, "nanos", "is finer than the currency's smallest unit");
        let minor = units
            .checked_mul(currency.minor_per_unit())
            .and_then(|minor| minor.checked_add(nanos / step));
        match minor {
            Some(minor) if violations.is_empty() => Ok(Self { minor, currency }),
            Some(_) => Err(violations),
            None => {
                violations.add("units", "is too large");
                Err(violations)
            }
        }
    }

    /// The amount in minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// Its currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The whole units, for `google.type.Money`.
    pub fn units(self) -> i64 {
        self.minor / self.currency.minor_per_unit()
    }

    /// The rest in billionths, for `google.type.Money`.
    pub fn nanos(self) -> i32 {
        let rest = self.minor % self.currency.minor_per_unit();
        let nanos = rest * (NANOS_PER_UNIT / self.currency.minor_per_unit());
        i32::try_from(nanos).expect("a part of a unit is below a billion billionths")
    }

    /// The sum.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combined(other, i64::checked_add)
    }

    /// The difference.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combined(other, i64::checked_sub)
    }

    /// The amount `times` times.
    pub fn checked_mul(self, times: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(times).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    fn combined(
        self,
        other: Self,
        with: impl Fn(i64, i64) -> Option<i64>,
    ) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let minor = with(self.minor, other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_unit = self.currency.minor_per_unit().unsigned_abs();
        let (units, rest) = (
            self.minor.unsigned_abs() / per_unit,
            self.minor.unsigned_abs() % per_unit,
        );
        let sign = if self.minor < 0 { "-" } else { "" };
        match self.currency.exponent() {
            0 => write!(f, "{sign}{units} {}", self.currency),
            digits => {
                let digits = usize::try_from(digits).expect("an exponent is at most 3");
                write!(f, "{sign}{units}.{rest:0digits$} {}", self.currency)
            }
        }
    }
}

#[cfg(test)]
mod tests;
