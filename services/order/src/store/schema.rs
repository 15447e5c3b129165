//! The service's tables as diesel sees them; `migrations/` is what they are.

diesel::table! {
    orders (id) {
        id -> Uuid,
        customer_id -> Text,
        status -> Text,
        stock_held -> Nullable<Bool>,
        payment_held -> Nullable<Bool>,
        cancel -> Nullable<Text>,
        reason -> Nullable<Text>,
        stock_release -> Nullable<Text>,
        payment_reversal -> Nullable<Text>,
        total_minor -> BigInt,
        currency -> Text,
        version -> BigInt,
        create_time -> Timestamptz,
        update_time -> Timestamptz,
    }
}

diesel::table! {
    order_line (order_id, position) {
        order_id -> Uuid,
        position -> Integer,
        product_id -> Uuid,
        sku -> Text,
        name -> Text,
        quantity -> Integer,
        unit_price_minor -> BigInt,
        amount_minor -> BigInt,
    }
}

diesel::table! {
    order_transition (order_id, version) {
        order_id -> Uuid,
        version -> BigInt,
        from_status -> Nullable<Text>,
        to_status -> Text,
        reason -> Nullable<Text>,
        actor -> Text,
        event_id -> Uuid,
        trace_id -> Text,
        transition_time -> Timestamptz,
    }
}

diesel::table! {
    order_contact (order_id) {
        order_id -> Uuid,
        email -> Text,
        payment_token -> Text,
    }
}

diesel::joinable!(order_contact -> orders (order_id));
diesel::joinable!(order_transition -> orders (order_id));
diesel::allow_tables_to_appear_in_same_query!(orders, order_contact, order_transition);
