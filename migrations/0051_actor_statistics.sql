-- Who caused events is known to the planner, so that a filter by a frequent actor reads the log in its order until a page is full,
-- and does not sort all of it. There is no index: appends would pay for it.

create statistics events_actor on (metadata ->> 'actor') from events;
comment on statistics events_actor is 'how often each actor occurs';
analyze events;
