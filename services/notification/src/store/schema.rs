//! The tables of `migrations/` as diesel sees them.

diesel::table! {
    notification (id) {
        id -> Uuid,
        event_id -> Uuid,
        order_id -> Uuid,
        template -> Text,
        status -> Text,
        amount_minor -> Nullable<BigInt>,
        refunded_minor -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        reason -> Nullable<Text>,
        subject -> Text,
        message_id -> Nullable<Text>,
        failure -> Nullable<Text>,
        actor -> Text,
        trace_id -> Nullable<Text>,
        create_time -> Timestamptz,
        send_time -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    contact (order_id) {
        order_id -> Uuid,
        customer_id -> Text,
        email -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(notification, contact);
