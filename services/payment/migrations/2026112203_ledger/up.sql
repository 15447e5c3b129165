create table ledger_entry (
    id bigint generated always as identity,
    transaction_id uuid not null,
    kind text not null,
    payment_id uuid not null,
    refund_id uuid,
    account text not null,
    amount_minor bigint not null,
    currency text not null,
    create_time timestamptz not null,
    constraint ledger_entry_pkey primary key (id),
    constraint ledger_entry_payment_fkey foreign key (payment_id) references payment (id),
    constraint ledger_entry_refund_fkey foreign key (refund_id) references refund (id),
    constraint ledger_entry_kind_known check (kind in ('CAPTURE', 'REFUND')),
    constraint ledger_entry_refund_named check ((kind = 'REFUND') = (refund_id is not null)),
    constraint ledger_entry_account_known check (account in ('PROVIDER', 'SALES')),
    constraint ledger_entry_amount_moves check (amount_minor <> 0)
);
comment on table ledger_entry is
    'Double-entry book: what the provider owes the shop (PROVIDER) against what the shop has sold '
    '(SALES). The rows of a transaction add up to zero; no row ever changes.';

create index ledger_entry_transaction on ledger_entry (transaction_id);
-- Money is booked once: a payment is captured once, a refund is given once.
create unique index ledger_entry_capture_once on ledger_entry (payment_id, account)
    where kind = 'CAPTURE';
create unique index ledger_entry_refund_once on ledger_entry (refund_id, account)
    where kind = 'REFUND';

create function ledger_entry_balanced() returns trigger language plpgsql as $$
begin
    if exists (
        select 1 from ledger_entry where transaction_id = new.transaction_id
        group by currency having sum(amount_minor) <> 0
    ) then
        raise exception 'ledger transaction % does not add up to zero', new.transaction_id
            using errcode = 'check_violation', constraint = 'ledger_entry_balanced',
                table = 'ledger_entry';
    end if;
    return null;
end
$$;
-- Deferred: both rows of a transaction are there when it is asked.
create constraint trigger ledger_entry_balanced after insert on ledger_entry
    deferrable initially deferred
    for each row execute function ledger_entry_balanced();

create function ledger_entry_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'ledger_entry is append-only';
end
$$;
create trigger ledger_entry_append_only before update or delete on ledger_entry
    for each row execute function ledger_entry_append_only();
