-- The Python system's tables, as far as anybody reads them, with columns beside them that nobody may read.
create table users (
    id serial primary key,
    telegram_id bigint,
    username varchar(255),
    first_name varchar(255),
    last_name varchar(255),
    phone_number varchar(20),
    api_id integer,
    api_hash varchar(255),
    created_at timestamp default now(),
    is_active boolean default true,
    session_file varchar(255),
    is_authenticated boolean default false,
    is_blocked boolean default false,
    block_expires timestamp,
    role varchar(20) default 'user',
    subscription_type varchar(20) default 'free',
    subscription_started_at timestamp,
    subscription_expires timestamp,
    max_channels integer,
    invited_by integer
);
create table invite_codes (
    code varchar(20) primary key,
    created_by integer,
    created_at timestamp default now(),
    used_by integer,
    used_at timestamp,
    expires_at timestamp,
    max_uses integer default 1,
    uses_count integer default 0,
    default_subscription varchar(20) default 'free',
    default_trial_days integer default 0
);
create table subscription_history (
    id serial primary key,
    user_id integer,
    action varchar(20),
    old_type varchar(20),
    new_type varchar(20),
    changed_by integer,
    changed_at timestamp default now(),
    notes text
);
