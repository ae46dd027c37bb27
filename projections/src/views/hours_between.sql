select hour as "hour!",
       registered as "registered!",
       logins_started as "logins_started!",
       logins_authorized as "logins_authorized!",
       logins_expired as "logins_expired!",
       logins_cancelled as "logins_cancelled!",
       logins_rejected as "logins_rejected!",
       logins_failed as "logins_failed!",
       by_qr as "by_qr!",
       by_phone as "by_phone!",
       invites_used as "invites_used!",
       subscriptions_started as "subscriptions_started!: Json<TierCounts>",
       subscriptions_ended as "subscriptions_ended!: Json<TierCounts>",
       seconds_to_log_in as "seconds_to_log_in!"
  from hourly_counts
 where hour >= $1 and hour < $2
 order by hour
