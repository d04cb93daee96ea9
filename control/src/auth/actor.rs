//! Somebody who asks for something.

use contracts::ids::{PersonId, SlotId};
use contracts::time::UtcMillis;

use crate::limits::FRESH_LOGIN_MS;
use crate::words::words;

words! {
    /// What a person may do.
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Registers experiments, datasets, models, backtests.
        Researcher = "researcher",
        /// Casts second votes.
        Approver = "approver",
        /// Halts, resumes, rolls back, withdraws.
        Operator = "operator",
        /// Users, tokens, keys.
        Admin = "admin",
        /// An engine: follows one slot.
        Engine = "engine",
    }
}

words! {
    /// What a token may be used for.
    Scope {
        /// The signal stream.
        SignalsRead = "signals:read",
        /// Reports of positions.
        PositionsWrite = "positions:write",
        /// Contract, directive, artifacts, receipts, heartbeats of one slot.
        EngineSync = "engine:sync",
        /// `/metrics`.
        MetricsRead = "metrics:read",
        /// What a researcher registers.
        ResearchWrite = "research:write",
    }
}

/// How somebody showed who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// A session that began with a password.
    Password {
        /// When the password was last given.
        authenticated_at: UtcMillis,
    },
    /// A token.
    Token {
        /// Its id.
        token_id: String,
        /// What it may be used for.
        scopes: Vec<Scope>,
        /// The slot it is bound to.
        slot: Option<SlotId>,
    },
    /// Nobody: the control plane itself, in a job.
    Control,
}

/// Somebody who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who; for a token its owner.
    pub person: PersonId,
    /// Their address.
    pub email: Option<String>,
    /// What they may do.
    pub roles: Vec<Role>,
    /// How they showed who they are.
    pub via: Via,
    /// From where.
    pub client_ip: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
}

impl Actor {
    /// True when they have one of these roles.
    #[must_use]
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }

    /// True for a researcher, or a token of one with the scope `research:write`: what every registration asks for.
    #[must_use]
    pub fn may_research(&self) -> bool {
        let scoped = match &self.via {
            Via::Token { scopes, .. } => scopes.contains(&Scope::ResearchWrite),
            Via::Password { .. } => true,
            Via::Control => false,
        };
        scoped && self.has_any(&[Role::Researcher])
    }

    /// A person with a password given at most 15 minutes before `now`; what every vote and every move of production asks for.
    ///
    /// # Errors
    /// [`NotFresh`].
    pub fn fresh_person(&self, now: UtcMillis) -> Result<(), NotFresh> {
        match self.via {
            Via::Password { authenticated_at } if now.0 - authenticated_at.0 <= FRESH_LOGIN_MS => Ok(()),
            Via::Password { authenticated_at } => Err(NotFresh::TooOld { authenticated_at }),
            Via::Token { .. } | Via::Control => Err(NotFresh::NoPerson),
        }
    }

    /// How the audit chain names them.
    #[must_use]
    pub fn audit_name(&self) -> String {
        match &self.via {
            Via::Password { .. } => self.person.to_string(),
            Via::Token { token_id, .. } => format!("token:{token_id} of {}", self.person),
            Via::Control => "control".to_owned(),
        }
    }
}

/// Why a login does not carry a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFresh {
    /// A token never votes.
    #[error("this needs a person with a password: a token cannot do it")]
    NoPerson,
    /// The password was given too long ago.
    #[error(
        "this needs a password given in the last 15 minutes, yours was given at {authenticated_at}: log in again"
    )]
    TooOld {
        /// When.
        authenticated_at: UtcMillis,
    },
}
