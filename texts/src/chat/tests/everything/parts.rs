//! The smaller tables.

use domain::Role;

use super::*;

impl Everything {
    pub fn cards(&mut self, texts: &CardTexts) {
        let CardTexts { by_invite, without_invite, waiting, code, password, done, cancelled, rejected, menu } =
            texts;
        for tier in TIERS {
            self.messages.push(by_invite(tier, Tiers::default().limits(tier)));
        }
        self.messages.extend([waiting(Ways::Three), waiting(Ways::Four)]);
        let others = [without_invite, code, password, done, cancelled, rejected];
        self.messages.extend(others.map(|it| it.to_string()));
        self.menus.push(menu.to_string());
    }

    pub fn account(&mut self, texts: &AccountTexts) {
        let AccountTexts {
            logged_out,
            not_linked,
            session_is_elsewhere,
            nobody,
            status,
            open_me,
            event,
            forget_question,
            forget,
            reset_question,
            reset,
            reset_done,
            reset_done_to_another,
            keep,
            kept,
        } = texts;
        let plain = [logged_out, not_linked, session_is_elsewhere, reset_done, kept];
        self.messages.extend(plain.map(|it| it.to_string()));
        self.messages.extend([nobody("@nobody"), reset_done_to_another("7")]);
        for handed_over in [true, false] {
            self.messages.extend([forget_question(handed_over), reset_question("Ilya (7)", handed_over)]);
        }
        self.buttons.extend([open_me, forget, reset, keep].map(|it| it.to_string()));
        let known = || {
            let active =
                COUNTS.map(|count| Known::Active(Tier::Premium, Some(("1.1.2027".to_owned(), count.into()))));
            let others = [Known::Never, Known::Active(Tier::Premium, None), Known::Over(None)];
            active.into_iter().chain(others).chain([Known::Over(Some("1.1.2027".to_owned()))])
        };
        for number in 0..known().count() {
            for session in [Session::Linked, Session::HandedOver, Session::None] {
                let events = vec!["#1 22.11 13:05 LoginStarted".to_owned()];
                let admin = ForAdmin { account: "7".to_owned(), role: Role::Auditor, events };
                self.messages.push(
                    status(&AccountStatus {
                        for_admin: (number % 2 == 0).then_some(admin),
                        telegram_id: 7,
                        name: "Ilya (@ilya)".to_owned(),
                        blocked: number % 3 == 0,
                        subscription: known().nth(number).unwrap_or(Known::Never),
                        session,
                        login_minutes: COUNTS.get(number).map(|count| i64::from(*count)),
                        history: event("LoginStarted")
                            .map(|what| ("22.11 13:05".to_owned(), what))
                            .into_iter()
                            .collect(),
                        zone: "MSK".to_owned(),
                    })
                    .text()
                    .to_owned(),
                );
            }
        }
    }

    pub fn admin(&mut self, texts: &AdminTexts) {
        let AdminTexts {
            page,
            open_page,
            people,
            newer,
            older,
            person_usage,
            grant_usage,
            granted,
            subscription_ended,
            block_usage,
            unblock_usage,
            role_usage,
            invite_usage,
            blocked,
            unblocked,
            role_given,
            fault,
            undo,
            undone,
            undo_is_late,
            invite_revoked,
            no_subscription,
            last_admin,
            named_in_settings,
            role_changed,
            statistics,
            parked,
            refused,
            webhook_messages_parked,
            webhooks_gone,
            unsigned,
            checkpoint,
            witness_disagrees,
            phone_usage,
            phone_by_session,
            phone_by_code,
            phone_ask,
            phone_found,
            phone_not_found,
            phone_takes_codes,
            phone_invalid,
            phone_banned,
            phone_flood,
            phone_unreachable,
            phone_no_session,
            phone_refused,
        } = texts;
        self.half_buttons.extend([newer, older].map(|it| it.to_string()));
        self.buttons.extend([open_page, undo, phone_ask].map(|it| it.to_string()));
        self.toasts.push(undo_is_late.to_string());
        self.messages.extend(
            [
                page,
                person_usage,
                grant_usage,
                block_usage,
                unblock_usage,
                role_usage,
                invite_usage,
                last_admin,
                named_in_settings,
                phone_usage,
                phone_by_session,
                phone_by_code,
                phone_found,
                phone_not_found,
                phone_takes_codes,
                phone_invalid,
                phone_banned,
                phone_unreachable,
                phone_no_session,
                phone_refused,
            ]
            .map(|it| it.to_string()),
        );
        self.messages.extend([
            blocked("Ilya (7)"),
            unblocked("Ilya (7)"),
            undone("…"),
            invite_revoked("3HBP4Z3ECICZ"),
            no_subscription("Ilya (7)"),
        ]);
        let faults = [Fault::NoTier("gold"), Fault::NotDays("x"), Fault::NotUses("0"), Fault::NoRole("king")];
        self.messages.extend(faults.iter().chain([&Fault::TooMany("more")]).map(|it| fault(it)));
        for role in [Role::User, Role::Admin, Role::Auditor] {
            self.messages.push(role_given("Ilya (7)", role));
            for by in [ChangedBy::Admin("Anna (8)".to_owned()), ChangedBy::Settings, ChangedBy::Operator] {
                self.messages.push(role_changed(&RoleChange { who: "Ilya (7)".to_owned(), role, by }));
            }
        }
        for count in COUNTS {
            let (total, lines) = (i64::from(count), vec!["7 Ilya: –".to_owned()]);
            for (query, cut) in [(None, false), (Some("ilya".to_owned()), true)] {
                let total = query.is_none().then_some(total);
                let page = PeoplePage { total, query, lines: lines.clone(), cut };
                self.messages.push(people(&page).text().to_owned());
            }
            let until = Some(("22.12.2026".to_owned(), count));
            self.messages.push(granted(&Granted { who: "Ilya (7)", tier: Tier::Basic, until }));
            let unsuccessful =
                ["expired", "cancelled", "rejected", "failed"].map(|status| (status.to_owned(), total));
            let week = Happened {
                registered: total,
                authorized: total,
                by_qr: total,
                by_phone: total,
                unsuccessful: unsuccessful.into(),
                seconds: Some((25.4, 61.0)),
                subscriptions_started: total,
                subscriptions_ended: total,
                invites_used: total,
            };
            let counted = Statistics {
                people: total,
                authenticated: total,
                blocked: total,
                subscriptions: vec![("premium".to_owned(), total)],
                ending_in_1_day: total,
                ending_in_7_days: total,
                live_logins: total,
                open_invites: total,
                today: Happened::default(),
                week,
            };
            self.messages.push(statistics(&counted).text().to_owned());
            let views = vec!["users".to_owned()];
            self.messages.push(parked(&Alarm { count: count as usize, views, position: 17 }));
            self.messages.extend([
                refused(total),
                unsigned("the log ends at position 7, but was signed up to position 9"),
                witness_disagrees(
                    "a.example: it has signed this log up to position 9, and here it ends at position 7",
                ),
                phone_flood(u64::from(count)),
                webhook_messages_parked(total),
                webhooks_gone(total),
            ]);
        }
        self.messages
            .push(checkpoint("login.example.com/qr-login/7\n5\nAAAA=\n\n\u{2014} x y\n").text().to_owned());
        let nobody = PeoplePage { total: None, query: Some("x".to_owned()), lines: Vec::new(), cut: false };
        self.messages.push(people(&nobody).text().to_owned());
        self.messages.push(granted(&Granted { who: "Ilya (7)", tier: Tier::Basic, until: None }));
        self.messages.push(subscription_ended("Ilya (7)"));
    }

    pub fn rebuild(&mut self, texts: &RebuildTexts) {
        let RebuildTexts { list, unknown, question, rebuild, only_look, decline, declined, stop, state } =
            texts;
        self.buttons.extend([rebuild, only_look, decline, stop].map(|it| it.to_string()));
        self.messages.extend([declined.to_string(), unknown("user", &["users", "invites"])]);
        for count in COUNTS.map(i64::from) {
            let line = |view, is_rebuilt| RebuildLine {
                view,
                rows: count,
                behind: count,
                parked: count,
                is_rebuilt,
            };
            self.messages.push(list(&[line("users", false), line("invites", true)]));
            for events_per_second in [None, Some(count)] {
                let (view, rows, events) = ("users", count, count);
                self.messages.push(question(&RebuildQuestion { view, rows, events, events_per_second }));
            }
            for dry_run in [false, true] {
                let steps = [
                    RebuildStep::Waiting,
                    RebuildStep::Reading { position: count / 2, end: count, events_per_second: count },
                    RebuildStep::Writing,
                    RebuildStep::Done { rows: count, differ: 0, missing: 0, extra: 0 },
                    RebuildStep::Done { rows: count, differ: count, missing: count, extra: count },
                    RebuildStep::Failed("there is no room on the disk"),
                    RebuildStep::Cancelled,
                ];
                let state = |step| state(&RebuildState { view: "users", dry_run, step });
                self.messages.extend(steps.map(state));
            }
        }
    }

    pub fn commands(&mut self, commands: &Commands) {
        let Commands {
            login,
            subscription,
            me,
            cancel,
            logout,
            forget,
            help,
            admin,
            admin_invite,
            admin_users,
            admin_user,
            admin_grant,
            admin_stats,
            admin_block,
            admin_unblock,
            admin_role,
            admin_rebuild,
            debug_status,
            debug_reset,
            debug_test_phone,
        } = commands;
        let all = [
            login,
            subscription,
            me,
            cancel,
            logout,
            forget,
            help,
            admin,
            admin_invite,
            admin_users,
            admin_user,
            admin_grant,
            admin_stats,
            admin_block,
            admin_unblock,
            admin_role,
            admin_rebuild,
            debug_status,
            debug_reset,
            debug_test_phone,
        ];
        self.commands.extend(all.map(|it| it.to_string()));
    }
}
