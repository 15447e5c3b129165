//! The tables of `migrations/` as diesel sees them. Written by hand; a test reads every column.

diesel::table! {
    payment (id) {
        id -> Uuid,
        order_id -> Uuid,
        customer_id -> Nullable<Text>,
        status -> Text,
        amount_minor -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        captured_minor -> BigInt,
        refunded_minor -> BigInt,
        returned_minor -> BigInt,
        authorization_id -> Nullable<Text>,
        failure_code -> Nullable<Text>,
        reverse_reason -> Nullable<Text>,
        version -> BigInt,
        create_time -> Timestamptz,
        update_time -> Timestamptz,
    }
}

diesel::table! {
    payment_transition (id) {
        id -> BigInt,
        payment_id -> Uuid,
        from_status -> Nullable<Text>,
        to_status -> Text,
        note -> Text,
        actor -> Text,
        trace_id -> Nullable<Text>,
        create_time -> Timestamptz,
    }
}

diesel::table! {
    refund (id) {
        id -> Uuid,
        payment_id -> Uuid,
        amount_minor -> BigInt,
        currency -> Text,
        state -> Text,
        reason -> Text,
        failure_code -> Nullable<Text>,
        create_time -> Timestamptz,
        update_time -> Timestamptz,
    }
}

diesel::table! {
    ledger_entry (id) {
        id -> BigInt,
        transaction_id -> Uuid,
        kind -> Text,
        payment_id -> Uuid,
        refund_id -> Nullable<Uuid>,
        account -> Text,
        amount_minor -> BigInt,
        currency -> Text,
        create_time -> Timestamptz,
    }
}
