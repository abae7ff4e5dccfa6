//! The parties of a call: who is at which leg, and their names for people.

use std::collections::BTreeMap;

use crate::cdr::fact::{Callee, Destination, Fact, FactKind};
use crate::ids::LegNo;
use crate::web::texts::Language;

/// The parties of a call.
pub(super) struct Parties<'a> {
    pub language: Language,
    /// Operators' names by account.
    names: &'a BTreeMap<String, String>,
    /// Agencies' names by number.
    agencies: &'a BTreeMap<String, String>,
    legs: BTreeMap<LegNo, Callee>,
    /// In the order in which they appear.
    order: Vec<Callee>,
}

impl<'a> Parties<'a> {
    /// The parties that the facts name.
    pub(super) fn of(
        facts: &[Fact],
        names: &'a BTreeMap<String, String>,
        agencies: &'a BTreeMap<String, String>,
        language: Language,
    ) -> Self {
        let mut parties = Self { language, names, agencies, legs: BTreeMap::new(), order: Vec::new() };
        for fact in facts {
            parties.take(&fact.kind);
        }
        parties
    }

    fn take(&mut self, kind: &FactKind) {
        let (leg, who) = if let FactKind::Offered { leg, to: who, .. }
        | FactKind::OfferEnded { leg, to: who, .. }
        | FactKind::Answered { leg, by: who }
        | FactKind::GuestJoined { leg, who, .. } = kind
        {
            (*leg, who.clone())
        } else if let FactKind::OperatorLost { leg, operator, .. } | FactKind::TransferorLeft { leg, operator } = kind {
            (*leg, Callee::Operator(operator.clone()))
        } else {
            return;
        };
        if !self.order.contains(&who) {
            self.order.push(who.clone());
        }
        self.legs.insert(leg, who);
    }

    /// The columns of the ladder after the caller and siaga.
    pub(super) fn all(&self) -> &[Callee] {
        &self.order
    }

    /// The column of a party.
    pub(super) fn column(&self, who: &Callee) -> Option<usize> {
        self.order.iter().position(|known| known == who).map(|at| at + 2)
    }

    /// The column of a leg.
    pub(super) fn column_of_leg(&self, leg: LegNo) -> Option<usize> {
        if leg == LegNo::CALLER { Some(0) } else { self.column(self.legs.get(&leg)?) }
    }

    /// The name of the party at a leg.
    pub(super) fn at(&self, leg: LegNo) -> String {
        match self.legs.get(&leg) {
            Some(who) => self.name(who),
            None if leg == LegNo::CALLER => self.language.text("caller"),
            None => self.language.with("leg", &[("number", &leg.0.to_string())]),
        }
    }

    /// The name of an operator.
    pub(super) fn operator(&self, operator: &str) -> String {
        self.names.get(operator).map_or(operator, String::as_str).to_owned()
    }

    /// The name of a party: an operator, an agency, or a number.
    pub(super) fn name(&self, who: &Callee) -> String {
        match who {
            Callee::Operator(operator) => self.operator(operator.as_str()),
            Callee::Number(number) => self.agencies.get(number).unwrap_or(number).clone(),
        }
    }

    /// The name of the target of a transfer.
    pub(super) fn target(&self, to: &Destination) -> String {
        match to {
            Destination::Operator(operator) => self.operator(operator.as_str()),
            Destination::Number(number) => self.agencies.get(number).unwrap_or(number).clone(),
            Destination::Queue => self.language.text("queue"),
        }
    }
}
