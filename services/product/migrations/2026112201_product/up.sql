create table product (
    id uuid not null,
    sku text not null,
    name text not null,
    description text not null,
    category text not null,
    price_minor bigint not null,
    currency text not null,
    version bigint not null,
    create_time timestamptz not null,
    update_time timestamptz not null,
    delete_time timestamptz,
    constraint product_pkey primary key (id),
    constraint product_sku_key unique (sku),
    constraint product_price_not_negative check (price_minor >= 0),
    constraint product_currency_form check (currency ~ '^[A-Z]{3}$'),
    constraint product_version_positive check (version > 0)
);
comment on table product is
    'The catalogue. A deleted product keeps its row and its SKU: open orders refer to it.';
comment on column product.version is
    'Changes of the product, its stock apart: source of the etag, aggregateVersion of its events.';

-- Pages of one category, in the order of ids.
create index product_category_id on product (category, id) where delete_time is null;
