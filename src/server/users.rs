//! Users of the console and their permissions: the owner of the service's own token, or a user of the database.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::cdr::fact::ConsoleRole;
use crate::config::CONSOLE_NAME;
use crate::store::console_users::ConsoleUserRow;
use crate::switchboard::{Actor, ConsoleCommand};

/// The name of the user with the service's own token.
pub const OWNER: &str = CONSOLE_NAME;

/// The users of the database, by the SHA-256 of their tokens: 256 random bits need no slower hash.
#[derive(Clone, Debug, Default)]
pub struct Users(BTreeMap<String, Actor>);

impl Users {
    /// Reads the rows that are valid.
    pub(super) fn of(rows: &[ConsoleUserRow]) -> Self {
        let mut users = BTreeMap::new();
        for row in rows {
            if row.name == OWNER {
                warn!(user = row.name, "a user with the name of the service's own token is ignored");
                continue;
            }
            match ConsoleRole::parse(&row.role) {
                Some(role) => {
                    users.insert(row.token_sha256.clone(), Actor { name: row.name.clone(), role });
                }
                None => warn!(user = row.name, role = row.role, "the user's role is unknown: the token is not valid"),
            }
        }
        Self(users)
    }

    /// The hash of a user's token; None if the user does not exist or has another role.
    pub(super) fn token_of(&self, actor: &Actor) -> Option<&str> {
        self.0.iter().find(|(_, known)| *known == actor).map(|(hash, _)| hash.as_str())
    }

    /// True if a user has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.values().any(|user| user.name == name)
    }

    /// The user with this token.
    pub(super) fn find(&self, token: &str) -> Option<&Actor> {
        self.0.get(&token_hash(token))
    }
}

/// True for the holder of the service's own token, which is not in the database.
pub(super) fn is_owner(actor: &Actor) -> bool {
    actor.name == OWNER && actor.role == ConsoleRole::Admin
}

/// True if the user's role and name permit the command.
pub(super) fn may(actor: &Actor, command: &ConsoleCommand) -> bool {
    let commands_all = matches!(actor.role, ConsoleRole::Supervisor | ConsoleRole::Admin);
    let is_his = |name: &str| actor.role == ConsoleRole::Operator && actor.name == name;
    match command {
        ConsoleCommand::Operators
        | ConsoleCommand::Calls
        | ConsoleCommand::Guard
        | ConsoleCommand::CallBacks
        | ConsoleCommand::Mode
        | ConsoleCommand::Worked { .. }
        | ConsoleCommand::Marks => true,
        ConsoleCommand::LogIn { operator }
        | ConsoleCommand::LogOut { operator }
        | ConsoleCommand::Pause { operator, .. }
        | ConsoleCommand::Resume { operator }
        | ConsoleCommand::WrapUp { operator }
        | ConsoleCommand::Place { operator, .. }
        | ConsoleCommand::AssignCallBack { operator, .. } => commands_all || is_his(operator.as_str()),
        // The switchboard checks whose call it is.
        ConsoleCommand::InviteParticipant { .. }
        | ConsoleCommand::DisconnectParticipant { .. }
        | ConsoleCommand::Transfer { .. }
        | ConsoleCommand::SilentPrompt { .. } => commands_all || actor.role == ConsoleRole::Operator,
        ConsoleCommand::SetDisposition { by, .. } => commands_all || is_his(by),
        ConsoleCommand::Message { .. }
        | ConsoleCommand::MarkCaller { .. }
        | ConsoleCommand::Supervise { .. }
        | ConsoleCommand::OfferTo { .. }
        | ConsoleCommand::SetMode { .. } => commands_all,
        ConsoleCommand::LiftBan { .. } => actor.role == ConsoleRole::Admin,
    }
}

/// A token as the database keeps it.
pub fn token_hash(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::OperatingMode;
    use crate::cdr::fact::Class;
    use crate::clock::Timestamp;
    use crate::ids::{CallId, LegNo, OperatorId, Rng};
    use crate::switchboard::Supervision;

    #[test]
    fn each_role_may_what_is_its_own() {
        let budi = OperatorId::parse("budi").unwrap();
        let siti = OperatorId::parse("siti").unwrap();
        let call = CallId::new(Timestamp::from_millis(1), &mut Rng::from_number(1));
        let class = |by: &str| ConsoleCommand::SetDisposition {
            call,
            class: Class::Normal,
            category: None,
            note: None,
            by: by.to_owned(),
        };
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let text = "rapat".to_owned();
        // Permitted for: budi, another operator, a supervisor, an admin, an auditor.
        for (command, allowed) in [
            (ConsoleCommand::Operators, [true; 5]),
            (ConsoleCommand::Calls, [true; 5]),
            (ConsoleCommand::Guard, [true; 5]),
            (ConsoleCommand::LogIn { operator: budi.clone() }, [true, false, true, true, false]),
            (ConsoleCommand::LogOut { operator: budi.clone() }, [true, false, true, true, false]),
            (ConsoleCommand::Resume { operator: budi.clone() }, [true, false, true, true, false]),
            (ConsoleCommand::WrapUp { operator: budi.clone() }, [true, false, true, true, false]),
            (ConsoleCommand::Place { operator: budi.clone(), to: "siti".to_owned() }, [true, false, true, true, false]),
            (ConsoleCommand::Pause { operator: budi.clone(), reason: String::new() }, [true, false, true, true, false]),
            (class("budi"), [true, false, true, true, false]),
            (ConsoleCommand::SilentPrompt { call }, [true, true, true, true, false]),
            (class("siti"), [false, true, true, true, false]),
            (ConsoleCommand::Message { operator: Some(budi), text }, [false, false, true, true, false]),
            (ConsoleCommand::SetMode { mode: OperatingMode::Drill, hours: None }, [false, false, true, true, false]),
            (ConsoleCommand::Mode, [true; 5]),
            (ConsoleCommand::InviteParticipant { call, to: "siti".to_owned() }, [true, true, true, true, false]),
            (ConsoleCommand::DisconnectParticipant { call, leg: LegNo(2) }, [true, true, true, true, false]),
            (ConsoleCommand::Transfer { call, to: "siti".to_owned() }, [true, true, true, true, false]),
            (
                ConsoleCommand::Supervise { call, mode: Supervision::Listen, by: None },
                [false, false, true, true, false],
            ),
            (ConsoleCommand::OfferTo { call, operator: siti }, [false, false, true, true, false]),
            (ConsoleCommand::LiftBan { address }, [false, false, false, true, false]),
        ] {
            let who = [
                ("budi", ConsoleRole::Operator),
                ("siti", ConsoleRole::Operator),
                ("ani", ConsoleRole::Supervisor),
                ("adi", ConsoleRole::Admin),
                ("eko", ConsoleRole::Auditor),
            ];
            for ((name, role), allowed) in who.into_iter().zip(allowed) {
                let actor = Actor { name: name.to_owned(), role };
                assert_eq!(may(&actor, &command), allowed, "{name} {command:?}");
            }
        }
    }

    #[test]
    fn a_user_is_found_by_the_token_and_by_nothing_else() {
        let row = |name: &str, role: &str, token: &str| ConsoleUserRow {
            name: name.to_owned(),
            role: role.to_owned(),
            token_sha256: token_hash(token),
        };
        let users = Users::of(&[row("ani", "supervisor", "secret-a"), row("adi", "king", "secret-b")]);
        let ani = Actor { name: "ani".to_owned(), role: ConsoleRole::Supervisor };
        assert_eq!(users.find("secret-a"), Some(&ani));
        for token in ["secret-b", "", "secret-a ", &token_hash("secret-a")] {
            assert_eq!(users.find(token), None, "{token:?}");
        }
        let owner = Users::of(&[row(OWNER, "admin", "secret-c")]);
        assert_eq!(owner.find("secret-c"), None, "the name of the service's own token is no user's");
    }
}
