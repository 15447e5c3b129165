//! The table of answers.

use diesel::QueryableByName;
use diesel::sql_types::{Binary, Nullable, Text};
use diesel_async::RunQueryDsl;
use prost::Message;

use super::{Answer, Claim};
use crate::db::{Database, Tx};
use crate::error::Error;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    fingerprint: Vec<u8>,
    #[diesel(sql_type = Nullable<Binary>)]
    answer: Option<Vec<u8>>,
}

impl Database {
    /// The stored answer, if the claim's request was answered before. The first look, before any
    /// other service is called.
    pub async fn answered<M>(&self, claim: &Claim) -> Result<Option<Answer<M>>, Error>
    where
        M: Message + Default + 'static,
    {
        let claim = claim.clone();
        self.read(async move |tx: &mut Tx| find(tx, &claim).await)
            .await
    }
}

impl Tx {
    /// Claims the key: the first statement of the effect's transaction. None: it is ours, and the
    /// transaction must end with [`Tx::answer`]. Some: another request had the effect.
    ///
    /// A request that is at work with the same key is waited for, as long as a transaction may
    /// wait for a row; then it is in flight.
    pub async fn claim<M>(&mut self, claim: &Claim) -> Result<Option<Answer<M>>, Error>
    where
        M: Message + Default,
    {
        let sql = "insert into idempotency (scope, method, key, fingerprint) \
            values ($1, $2, $3, $4) on conflict on constraint idempotency_key do nothing";
        let inserted = diesel::sql_query(sql)
            .bind::<Text, _>(&claim.scope)
            .bind::<Text, _>(claim.method)
            .bind::<Text, _>(&claim.key)
            .bind::<Binary, _>(&claim.fingerprint)
            .execute(self.conn())
            .await
            .map_err(|error| match Error::from(error) {
                Error::Locked(_) => Error::IdempotencyInFlight,
                error => error,
            })?;
        if inserted == 1 {
            return Ok(None);
        }
        // The holder committed: its answer is there, unless a sweep was faster.
        find(self, claim)
            .await?
            .ok_or(Error::IdempotencyInFlight)
            .map(Some)
    }

    /// Stores the answer of the claim that this transaction holds.
    pub async fn answer(&mut self, claim: &Claim, message: &impl Message) -> Result<(), Error> {
        let sql = "update idempotency set answer = $4 \
            where scope = $1 and method = $2 and key = $3";
        diesel::sql_query(sql)
            .bind::<Text, _>(&claim.scope)
            .bind::<Text, _>(claim.method)
            .bind::<Text, _>(&claim.key)
            .bind::<Binary, _>(message.encode_to_vec())
            .execute(self.conn())
            .await?;
        Ok(())
    }
}

async fn find<M>(tx: &mut Tx, claim: &Claim) -> Result<Option<Answer<M>>, Error>
where
    M: Message + Default,
{
    let sql = "select fingerprint, answer from idempotency \
        where scope = $1 and method = $2 and key = $3";
    let rows: Vec<Row> = diesel::sql_query(sql)
        .bind::<Text, _>(&claim.scope)
        .bind::<Text, _>(claim.method)
        .bind::<Text, _>(&claim.key)
        .load(tx.conn())
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    if row.fingerprint != claim.fingerprint {
        return Err(Error::IdempotencyKeyReused);
    }
    // A row without an answer is a mistake of the service: its effect happened without one.
    let Some(answer) = row.answer else {
        return Ok(None);
    };
    let message = M::decode(answer.as_slice()).map_err(|error| Error::Stored {
        what: "answer",
        source: error.into(),
    })?;
    Ok(Some(Answer {
        message,
        replayed: true,
    }))
}
