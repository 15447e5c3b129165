create table contact (
    order_id uuid not null,
    customer_id text not null,
    email text,
    constraint contact_pkey primary key (order_id)
);
comment on table contact is
    'Whose an order is, and where its mails go. The only table with addresses: erase them here.';
comment on column contact.email is 'Asked of the order service when the first mail is sent.';

-- What one customer has been sent.
create index contact_customer on contact (customer_id, order_id);
