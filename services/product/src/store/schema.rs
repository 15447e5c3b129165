//! The tables of `migrations/` as diesel sees them. Written by hand; a test reads every column.

diesel::table! {
    product (id) {
        id -> Uuid,
        sku -> Text,
        name -> Text,
        description -> Text,
        category -> Text,
        price_minor -> BigInt,
        currency -> Text,
        version -> BigInt,
        create_time -> Timestamptz,
        update_time -> Timestamptz,
        delete_time -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    stock (product_id) {
        product_id -> Uuid,
        on_hand -> Integer,
        reserved -> Integer,
        version -> BigInt,
    }
}

diesel::table! {
    stock_ledger (product_id, version) {
        product_id -> Uuid,
        version -> BigInt,
        reason -> Text,
        on_hand_delta -> Integer,
        reserved_delta -> Integer,
        on_hand -> Integer,
        reserved -> Integer,
        order_id -> Nullable<Uuid>,
        note -> Nullable<Text>,
        event_id -> Uuid,
        actor -> Text,
        trace_id -> Nullable<Text>,
        create_time -> Timestamptz,
    }
}

diesel::table! {
    reservation (order_id) {
        order_id -> Uuid,
        state -> Text,
        version -> BigInt,
        expire_time -> Nullable<Timestamptz>,
        actor -> Text,
        trace_id -> Nullable<Text>,
        create_time -> Timestamptz,
        update_time -> Timestamptz,
    }
}

diesel::table! {
    reservation_line (order_id, product_id) {
        order_id -> Uuid,
        product_id -> Uuid,
        quantity -> Integer,
    }
}

diesel::joinable!(stock -> product (product_id));
diesel::allow_tables_to_appear_in_same_query!(product, stock);

#[cfg(test)]
diesel::joinable!(reservation_line -> reservation (order_id));
#[cfg(test)]
diesel::allow_tables_to_appear_in_same_query!(reservation, reservation_line);
