//! What an error of the database means: the database is away, the time is over, another
//! transaction was met, or the statement itself is wrong.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Error;

/// How the server begins to say that it cannot work now. They pass: an event that met one is tried
/// again and never parked.
const PASSING: &[&str] = &[
    "terminating connection",
    "the database system is",
    "sorry, too many clients",
    "remaining connection slots are reserved",
    "could not extend file",
    "could not write to file",
    "could not write block",
    "out of memory",
    "out of shared memory",
];

/// The constraint that a statement violated, by its name in the migrations.
pub fn violated_constraint(error: &DieselError) -> Option<&str> {
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::ExclusionViolation,
            information,
        ) => information.constraint_name(),
        _ => None,
    }
}

/// Whether the transaction met another one and may succeed when it is tried again.
pub(super) fn met_another(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        // Diesel drops the SQL state (40P01); the server's messages are English (initdb -C).
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            information.message().starts_with("deadlock detected")
        }
        _ => false,
    }
}

pub(crate) fn classify(error: DieselError) -> Error {
    if met_another(&error) {
        return Error::Contended(error);
    }
    let DieselError::DatabaseError(kind, information) = &error else {
        return match error {
            DieselError::BrokenTransactionManager => Error::DatabaseDown(error.into()),
            _ => Error::Statement(error),
        };
    };
    let message = information.message();
    match kind {
        DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
            Error::DatabaseDown(error.into())
        }
        DatabaseErrorKind::Unknown if message.ends_with("due to statement timeout") => {
            Error::DeadlineOver
        }
        DatabaseErrorKind::Unknown if message.ends_with("due to lock timeout") => {
            Error::Locked(error)
        }
        DatabaseErrorKind::Unknown
            if PASSING.iter().any(|passing| message.starts_with(passing)) =>
        {
            Error::DatabaseDown(error.into())
        }
        _ => Error::Statement(error),
    }
}
