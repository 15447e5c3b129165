//! Statements that are written as text and prepared once per connection. `diesel::sql_query` has
//! the server parse and plan them anew each time, which costs more than most of them do.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};

/// The text of a statement; the connection's cache knows it by this text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement(&'static str);

/// A statement with the value of its next parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound<Q, V, S> {
    query: Q,
    value: V,
    sql_type: PhantomData<S>,
}

/// A statement with the parameters `$1`, `$2`, ..; they are bound in this order.
pub(crate) fn statement(sql: &'static str) -> Statement {
    Statement(sql)
}

// === impl Statement ===

impl Statement {
    pub(crate) fn bind<S, V>(self, value: V) -> Bound<Self, V, S> {
        Bound::new(self, value)
    }
}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.0);
        Ok(())
    }
}

impl QueryId for Statement {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}

// === impl Bound ===

impl<Q, V, S> Bound<Q, V, S> {
    fn new(query: Q, value: V) -> Self {
        Self {
            query,
            value,
            sql_type: PhantomData,
        }
    }

    pub(crate) fn bind<T, W>(self, value: W) -> Bound<Self, W, T> {
        Bound::new(self, value)
    }
}

impl<Q, V, S> QueryFragment<Pg> for Bound<Q, V, S>
where
    Q: QueryFragment<Pg>,
    V: ToSql<S, Pg>,
    Pg: Backend + HasSqlType<S>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        out.push_bind_param_value_only(&self.value)
    }
}

impl<Q, V, S> QueryId for Bound<Q, V, S> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, V, S> Query for Bound<Q, V, S> {
    type SqlType = Untyped;
}
