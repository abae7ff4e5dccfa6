//! Roles of users of the pages, and what each may do.

/// A user's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Figures only: no calls, numbers, notes or operators' names.
    Viewer,
    /// Own calls of the present shift.
    Operator,
    /// Calls of all operators.
    Supervisor,
    /// Everything, including the access log; changes nothing.
    Auditor,
    /// Users and settings.
    Admin,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Operator, Self::Supervisor, Self::Auditor, Self::Admin];

    /// The name in the store and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// The role with this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// True if the role needs a second factor where other machines can reach the pages.
    pub fn needs_totp(self) -> bool {
        match self {
            Self::Auditor | Self::Admin => true,
            Self::Viewer | Self::Operator | Self::Supervisor => false,
        }
    }

    /// True if the role has the permission.
    pub fn may(self, permission: Permission) -> bool {
        PERMISSIONS.iter().any(|(of, roles)| *of == permission && roles.contains(&self))
    }
}

/// What a page shows or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Figures without personal data.
    Figures,
    /// Figures by operator, with their names.
    Operators,
    /// Calls of all operators, with numbers and notes.
    Calls,
    /// Own calls of the present shift; roles with `Calls` have it too.
    OwnCalls,
    /// Marks of calls as reviewed.
    Review,
    /// Decisions about exports of others.
    Approve,
    /// Recordings of calls.
    Recordings,
    /// The access log.
    AccessLog,
    /// Users and their roles.
    Users,
}

/// Each permission and the roles that have it.
pub const PERMISSIONS: [(Permission, &[Role]); 9] = [
    (Permission::Figures, &[Role::Viewer, Role::Supervisor, Role::Auditor, Role::Admin]),
    (Permission::Operators, &[Role::Supervisor, Role::Auditor]),
    (Permission::Calls, &[Role::Supervisor, Role::Auditor]),
    (Permission::OwnCalls, &[Role::Operator, Role::Supervisor, Role::Auditor]),
    (Permission::Review, &[Role::Supervisor]),
    (Permission::Approve, &[Role::Supervisor, Role::Auditor, Role::Admin]),
    (Permission::Recordings, &[Role::Auditor]),
    (Permission::AccessLog, &[Role::Auditor]),
    (Permission::Users, &[Role::Admin]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_the_permissions_of_the_table_and_no_other() {
        // Viewer, operator, supervisor, auditor, admin.
        for (permission, expected) in [
            (Permission::Figures, [true, false, true, true, true]),
            (Permission::Operators, [false, false, true, true, false]),
            (Permission::Calls, [false, false, true, true, false]),
            (Permission::OwnCalls, [false, true, true, true, false]),
            (Permission::Review, [false, false, true, false, false]),
            (Permission::Approve, [false, false, true, true, true]),
            (Permission::Recordings, [false, false, false, true, false]),
            (Permission::AccessLog, [false, false, false, true, false]),
            (Permission::Users, [false, false, false, false, true]),
        ] {
            assert_eq!(Role::ALL.map(|role| role.may(permission)), expected, "{permission:?}");
        }
        assert_eq!(Role::ALL.map(Role::needs_totp), [false, false, false, true, true]);
        assert_eq!(Role::ALL.map(|role| Role::parse(role.word())), Role::ALL.map(Some));
        assert_eq!(Role::parse("owner"), None);
    }
}
