//! Dialogs (RFC 3261 §12): identity, sequence numbers, route set, remote target. Builds requests but sends nothing.

use bytes::Bytes;

use super::header::NameAddr;
use super::message::{self, Builder};
use super::uri::{self, Uri};
use super::wire::{Fault, Message, Method, Name};
use crate::limits::ROUTES_MAX;

/// Sequence numbers must be below this (RFC 3261 §8.1.1.5).
pub const CSEQ_END: u32 = 1 << 31;

/// The value of a Call-ID header (the emergency call's id is `ids::CallId`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct CallIdHeader(pub Bytes);

/// Identifies a dialog (RFC 3261 §12): all three values are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct DialogKey {
    pub call_id: CallIdHeader,
    pub local_tag: Bytes,
    /// Empty if the peer sent none (RFC 2543).
    pub remote_tag: Bytes,
}

impl DialogKey {
    /// The key of an incoming request: our tag is in To. None if To has no tag.
    pub fn of_request(request: &Message<'_>) -> Option<Self> {
        let local_tag = tag(&request.to().ok()?);
        let remote_tag = tag(&request.from().ok()?);
        (!local_tag.is_empty()).then_some(Self { call_id: call_id(request).ok()?, local_tag, remote_tag })
    }

    /// The key of a response to our request: our tag is in From.
    pub fn of_response(response: &Message<'_>) -> Option<Self> {
        let local_tag = tag(&response.from().ok()?);
        let remote_tag = tag(&response.to().ok()?);
        (!local_tag.is_empty()).then_some(Self { call_id: call_id(response).ok()?, local_tag, remote_tag })
    }
}

/// One dialog, early or confirmed.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Dialog {
    key: DialogKey,
    /// From of our requests, unchanged.
    local: Bytes,
    /// To of our requests, unchanged.
    remote: Bytes,
    local_cseq: u32,
    /// None until the peer has sent a request.
    remote_cseq: Option<u32>,
    /// The method of the peer's last request, and our final response to it.
    last: Option<(Method, Option<Bytes>)>,
    /// The remote target.
    target: Bytes,
    /// The route set: name-addrs unchanged, the next hop first.
    routes: Vec<Bytes>,
}

impl Dialog {
    /// The dialog that our 1xx or 2xx to this INVITE creates (RFC 3261 §12.1.1).
    ///
    /// Without a usable Contact the From URI is the remote target, as in RFC 2543, which did not require a Contact. The call is not
    /// rejected for it.
    pub fn as_callee(invite: &Message<'_>, local_tag: &str) -> Result<Self, Fault> {
        let from = invite.from()?;
        let target = target(invite).unwrap_or_else(|| Bytes::copy_from_slice(from.uri));
        Self::of_invite(invite, local_tag, target, routes(invite)?)
    }

    /// Like `as_callee`, for an emergency call, which is not rejected for an unreadable Contact or Record-Route. Requests then go to
    /// `source`, the URI of the host and port from which the INVITE came; unreadable Record-Routes are left out.
    pub fn of_emergency_call(invite: &Message<'_>, local_tag: &str, source: &str) -> Result<Self, Fault> {
        let target = target(invite).unwrap_or_else(|| Bytes::copy_from_slice(source.as_bytes()));
        let readable = invite.list(Name::RecordRoute).filter(|route| NameAddr::parse(route).is_ok());
        let routes = readable.take(ROUTES_MAX).map(|route| Bytes::from(without_headers(route))).collect();
        Self::of_invite(invite, local_tag, target, routes)
    }

    fn of_invite(invite: &Message<'_>, local_tag: &str, target: Bytes, routes: Vec<Bytes>) -> Result<Self, Fault> {
        let (from, to) = (invite.from()?, invite.to()?);
        if to.tag().is_some() {
            return Err(Fault { status: 481, why: "To has the tag of another dialog" });
        }
        let mut local = value(invite, Name::To).to_vec();
        local.extend_from_slice(b";tag=");
        local.extend_from_slice(local_tag.as_bytes());
        let local_tag = Bytes::copy_from_slice(local_tag.as_bytes());
        Ok(Self {
            key: DialogKey { call_id: call_id(invite)?, local_tag, remote_tag: tag(&from) },
            local: Bytes::from(local),
            remote: Bytes::copy_from_slice(value(invite, Name::From)),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq()?.number),
            last: None,
            target,
            routes,
        })
    }

    /// The dialog that this 1xx or 2xx with a To tag creates for our INVITE (RFC 3261 §12.1.2). `local` is the From value that we sent,
    /// with its tag; `cseq` is the INVITE's number.
    pub fn as_caller(local: &[u8], cseq: u32, response: &Message<'_>) -> Result<Self, Fault> {
        let to = response.to()?;
        let mut routes = routes(response)?;
        routes.reverse();
        Ok(Self {
            key: DialogKey {
                call_id: call_id(response)?,
                local_tag: tag(&NameAddr::parse(local)?),
                remote_tag: tag(&to),
            },
            local: Bytes::copy_from_slice(local),
            remote: Bytes::copy_from_slice(value(response, Name::To)),
            local_cseq: cseq,
            remote_cseq: None,
            last: None,
            target: target(response).unwrap_or_else(|| Bytes::copy_from_slice(to.uri)),
            routes,
        })
    }

    /// The tag of a From or To value, if it has one.
    pub fn tag_of(value: &[u8]) -> Option<Bytes> {
        Some(tag(&NameAddr::parse(value).ok()?)).filter(|tag| !tag.is_empty())
    }

    /// Checks and stores the CSeq of a peer's request in the dialog (RFC 3261 §12.2.2: a lower one gets 500). ACK and CANCEL do not change
    /// the CSeq. The target changes only when the request has been accepted: `refresh`.
    pub fn accept(&mut self, request: &Message<'_>) -> Result<(), Fault> {
        let cseq = request.cseq()?;
        if matches!(cseq.method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        // Such a number would block later requests. A dialog that began with one continues.
        if cseq.number >= CSEQ_END && self.remote_cseq.is_none_or(|last| last < CSEQ_END) {
            return Err(Fault { status: 400, why: "CSeq" });
        }
        if self.remote_cseq.is_some_and(|last| cseq.number < last) {
            return Err(Fault { status: 500, why: "CSeq out of order" });
        }
        self.remote_cseq = Some(cseq.number);
        self.last = Some((cseq.method, None));
        Ok(())
    }

    /// True if the request is the peer's last one, in another transaction: it arrived over another path, or our response was lost. It must
    /// not be carried out twice (RFC 3261 §12.2.2).
    pub fn repeats(&self, request: &Message<'_>) -> bool {
        let last = self.last.as_ref().map(|(method, _)| *method);
        request.cseq().is_ok_and(|cseq| Some(cseq.number) == self.remote_cseq && Some(cseq.method) == last)
    }

    /// Stores our final response to the peer's last request.
    pub fn keep_answer(&mut self, request: &Message<'_>, response: Option<Bytes>) {
        if self.repeats(request)
            && let Some((_, answer)) = &mut self.last
        {
            *answer = response;
        }
    }

    /// Stores our late final response to a request of the peer, if the peer has sent no other request since.
    pub fn keep_late_answer(&mut self, (method, cseq): (Method, u32), response: Bytes) {
        if self.remote_cseq == Some(cseq)
            && let Some((last, answer)) = &mut self.last
            && *last == method
        {
            *answer = Some(response);
        }
    }

    /// Our final response to the peer's last request, if it has one yet.
    pub fn answer(&self) -> Option<Bytes> {
        self.last.as_ref().and_then(|(_, answer)| answer.clone())
    }

    /// Updates the remote target from the Contact of a target refresh request that we accept with a 2xx, and of the 2xx to one of ours. A
    /// rejected request changes nothing (RFC 3261 §12.2.1.2, §12.2.2, RFC 6141 §4.6).
    pub fn refresh(&mut self, message: &Message<'_>) {
        let refused = message.status().is_some_and(|status| !(200..300).contains(&status));
        if !refused
            && message.cseq().is_ok_and(|cseq| refreshes_target(cseq.method))
            && let Some(target) = target(message)
        {
            self.target = target;
        }
    }

    /// Starts a request in the dialog: Request-URI and Route by RFC 3261 §12.2.1.1 (strict routers too), then Max-Forwards, From, To,
    /// Call-ID, CSeq (the next number). `Builder::via` adds the Via. Returns the number used.
    pub fn request(&mut self, method: Method) -> (Builder, u32) {
        let cseq = self.next_number();
        (self.start(method, cseq), cseq)
    }

    /// Takes the next number, for a request of ours that is repeated (RFC 3261 §22.2).
    pub fn next_number(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.local_cseq
    }

    /// Starts the ACK of a 2xx to the INVITE numbered `cseq` (RFC 3261 §13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Builder {
        self.start(Method::Ack, cseq)
    }

    /// Continues the sequence numbers of the early dialog with the same peer (RFC 3261 §12.1, §13.2.2.4).
    #[must_use]
    pub fn after(mut self, early: &Self) -> Self {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
        self.remote_cseq = early.remote_cseq;
        self.last.clone_from(&early.last);
        self
    }

    /// The number of the peer's last request; None until it has sent one.
    pub fn remote_cseq(&self) -> Option<u32> {
        self.remote_cseq
    }

    /// The dialog's key.
    pub fn key(&self) -> &DialogKey {
        &self.key
    }

    /// The remote target.
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// The URI of the next hop: the first route, else the remote target.
    pub fn next_hop(&self) -> &[u8] {
        match self.routes.first().map(|route| NameAddr::parse(route)) {
            Some(Ok(route)) => route.uri,
            Some(Err(_)) | None => &self.target,
        }
    }

    /// The URIs of the dialog's hosts: the remote target and the route set.
    pub fn hosts(&self) -> impl Iterator<Item = &[u8]> {
        let routes = self.routes.iter().filter_map(|route| NameAddr::parse(route).ok()).map(|route| route.uri);
        std::iter::once(self.target.as_ref()).chain(routes)
    }

    fn start(&self, method: Method, cseq: u32) -> Builder {
        let builder = match self.routes.split_first() {
            Some((first, rest)) if !is_loose(first) => {
                let mut builder = message::request(method, &uri::for_request_line(self.next_hop()));
                for route in rest {
                    builder = builder.header(Name::Route, route);
                }
                builder.header(Name::Route, &[b"<", self.target.as_ref(), b">"].concat())
            }
            Some(_) | None => self
                .routes
                .iter()
                .fold(message::request(method, &uri::for_request_line(&self.target)), |builder, route| {
                    builder.header(Name::Route, route)
                }),
        };
        builder
            .header(Name::MaxForwards, b"70")
            .header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, &self.key.call_id.0)
            .header(Name::CSeq, &message::cseq(cseq, method))
    }
}

/// True for target refresh requests (RFC 3261 §12.2, RFC 3311 §5.1, RFC 6665 §4.4.1, RFC 3515 §2.2).
fn refreshes_target(method: Method) -> bool {
    match method {
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer => true,
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Register
        | Method::Options
        | Method::Info
        | Method::Prack
        | Method::Message
        | Method::Publish
        | Method::Other => false,
    }
}

fn tag(address: &NameAddr<'_>) -> Bytes {
    address.tag().map(|tag| Bytes::copy_from_slice(&tag)).unwrap_or_default()
}

fn call_id(message: &Message<'_>) -> Result<CallIdHeader, Fault> {
    message.call_id().map(|id| CallIdHeader(Bytes::copy_from_slice(id)))
}

fn value<'m>(message: &'m Message<'_>, name: Name) -> &'m [u8] {
    message.first(name).unwrap_or_default()
}

/// The Contact's URI, if requests can be sent to it.
fn target(message: &Message<'_>) -> Option<Bytes> {
    let contact = message.contact().ok()?;
    let usable = matches!(Uri::parse(contact.uri), Ok(Uri::Sip(_) | Uri::Tel { .. }));
    usable.then(|| Bytes::from(uri::for_request_line(contact.uri)))
}

/// The Record-Route values in order.
fn routes(message: &Message<'_>) -> Result<Vec<Bytes>, Fault> {
    let mut routes = Vec::new();
    for route in message.list(Name::RecordRoute) {
        if routes.len() == ROUTES_MAX || NameAddr::parse(route).is_err() {
            return Err(Fault { status: 400, why: "Record-Route" });
        }
        routes.push(Bytes::from(without_headers(route)));
    }
    Ok(routes)
}

/// A Record-Route as a Route: its URI has no header fields (RFC 3261 §19.1.1, table 1).
fn without_headers(route: &[u8]) -> Vec<u8> {
    let Ok(address) = NameAddr::parse(route) else { return route.to_vec() };
    match Uri::parse(address.uri) {
        Ok(Uri::Sip(uri)) if uri.headers.is_some() => {
            [b"<", uri::for_request_line(address.uri).as_slice(), b">", address.params.as_bytes()].concat()
        }
        Ok(Uri::Sip(_) | Uri::Tel { .. } | Uri::Service(_) | Uri::Other { .. }) | Err(_) => route.to_vec(),
    }
}

/// True if the router of this route is a loose router, which does not change the Request-URI (`lr`, RFC 3261 §16.12).
fn is_loose(route: &[u8]) -> bool {
    NameAddr::parse(route).is_ok_and(|route| match Uri::parse(route.uri) {
        Ok(Uri::Sip(uri)) => uri.params.has("lr"),
        Ok(Uri::Tel { .. } | Uri::Service(_) | Uri::Other { .. }) | Err(_) => false,
    })
}

#[cfg(test)]
mod tests;
