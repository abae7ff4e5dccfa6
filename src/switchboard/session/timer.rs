//! The session timer of a leg (RFC 4028): when siaga refreshes the session, and the end of a session that the peer does
//! not refresh.

use crate::switchboard::ids::LegRef;
use crate::switchboard::network::NetworkParts;
use crate::switchboard::session::Session;
use crate::switchboard::session::events::{SessionEvent, SessionEvents};
use crate::switchboard::session::state::timer::{Agreement, SessionTimer, TRY_AGAIN};
use crate::switchboard::step::Step;
use crate::switchboard::timers::TimerKind;
use std::time::Duration;

impl Session {
    /// True while a session timer runs.
    pub(in crate::switchboard) fn is_timed(&self) -> bool {
        self.timer.is_some()
    }

    /// Starts or restarts the timer. If the peer's refresh has no Session-Expires, a timer that siaga refreshes
    /// continues and any other timer ends.
    pub(in crate::switchboard) fn begin_timer(&mut self, step: &mut Step, leg: LegRef, agreement: Agreement) {
        let now = step.now.mono;
        let running = self.stop_timer(step, leg);
        let kept = running.map(|timer| timer.terms).filter(|terms| terms.we_refresh);
        let Some(terms) = agreement.0.or(kept) else { return };
        let ends_at = now + terms.expires_after();
        let at = if terms.we_refresh { (now + terms.refresh_after()).min(ends_at) } else { ends_at };
        let overdue = running.is_some_and(|timer| timer.overdue);
        self.set_timer(step, leg, SessionTimer { terms, at, ends_at, at_once: 0, overdue });
    }

    fn set_timer(&mut self, step: &mut Step, leg: LegRef, timer: SessionTimer) {
        self.timer = Some(timer);
        step.timers.insert(timer.at, TimerKind::Session(leg));
    }

    /// Stops the session timer.
    pub(super) fn stop_timer(&mut self, step: &mut Step, leg: LegRef) -> Option<SessionTimer> {
        let timer = self.timer.take()?;
        step.timers.remove(timer.at, TimerKind::Session(leg));
        Some(timer)
    }

    /// Lets the stopped timer run again: the refresh is repeated after `again`, or the session expires before.
    pub(super) fn refresh_later(&mut self, step: &mut Step, leg: LegRef, timer: SessionTimer, again: Duration) {
        let now = step.now.mono;
        // A minimum interval ensures that one step never sends two requests.
        let at = now + again.max(Duration::from_millis(10));
        self.set_timer(step, leg, SessionTimer { at: at.min(timer.ends_at.max(now)), ..timer });
    }

    /// Moves the deadline of the running timer to its expiry, because a refresh was sent.
    pub(super) fn await_refresh(&mut self, step: &mut Step, leg: LegRef) {
        if let Some(timer) = self.stop_timer(step, leg) {
            self.set_timer(step, leg, SessionTimer { at: timer.ends_at, ..timer });
        }
    }

    /// Handles a deadline of the session timer.
    pub(super) fn timer_due(&mut self, net: &mut NetworkParts, step: &mut Step, leg: LegRef) -> SessionEvents {
        let now = step.now.mono;
        let Some(timer) = self.timer else { return SessionEvents::new() };
        if now >= timer.ends_at {
            return self.timer_over(step, leg, timer);
        }
        // A re-INVITE must wait for any pending INVITE (RFC 3261 §14.1).
        let sent = !self.is_busy() && self.refresh(net, step, leg, Some(timer.terms), None);
        let at = if sent { timer.ends_at } else { (now + TRY_AGAIN).min(timer.ends_at) };
        self.set_timer(step, leg, SessionTimer { at, ..timer });
        SessionEvents::new()
    }

    /// Handles a session that was not refreshed in time. RFC 4028 §10 requires a BYE; siaga keeps the session while the
    /// peer's audio arrives.
    fn timer_over(&mut self, step: &mut Step, leg: LegRef, timer: SessionTimer) -> SessionEvents {
        let now = step.now.mono;
        self.stop_timer(step, leg);
        let expired = self.timer_expired(timer);
        if self.media.as_ref().is_some_and(|media| media.is_heard()) {
            self.doubt(step);
            let ends_at = now + timer.terms.expires_after();
            let at = if timer.terms.we_refresh { now + timer.terms.refresh_after() } else { ends_at };
            self.set_timer(step, leg, SessionTimer { at: at.min(ends_at), ends_at, overdue: true, ..timer });
            return expired.into_iter().collect();
        }
        expired.into_iter().chain([SessionEvent::Lost]).collect()
    }

    /// Reports once that a session has expired, and whether its leg is kept because its media arrives.
    pub(super) fn timer_expired(&self, timer: SessionTimer) -> Option<SessionEvent> {
        let kept = self.media.as_ref().is_some_and(|media| media.is_heard());
        (!timer.overdue).then_some(SessionEvent::Expired { kept })
    }
}
