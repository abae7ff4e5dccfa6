//! The header fields that responses copy from their request, and the destination of responses.

use std::net::{IpAddr, SocketAddr};

use super::super::flow::{Flow, Transport};
use super::super::header::Via;
use super::super::wire::{Message, Method, Name};
use super::{Builder, put, put_clean, put_field, response};

/// The parts of a request that each of its responses repeats (RFC 3261 §8.2.6), unchanged.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ResponseTemplate {
    /// Header field lines in this order: Via, Record-Route, From, To (without its line end), Call-ID and CSeq, Timestamp.
    lines: Vec<u8>,
    /// Offset of Record-Route.
    route_at: usize,
    /// Offset of From.
    from_at: usize,
    /// Offset of the missing line end of To, where the tag is inserted.
    tag_at: usize,
    /// Offset of Timestamp.
    timestamp_at: usize,
    to_needs_tag: bool,
    makes_dialog: bool,
    /// The port of the top Via's sent-by.
    sent_by_port: Option<u16>,
}

impl ResponseTemplate {
    /// Copies the parts; the top Via gets `received` and `rport` by RFC 3261 §18.2.1 and RFC 3581 §4. Works on a partial message: missing
    /// parts are left out.
    pub fn of(request: &Message<'_>, flow: Flow) -> Self {
        let mut lines = Vec::with_capacity(512);
        put_vias(&mut lines, request, flow);
        let route_at = lines.len();
        for value in request.lines(Name::RecordRoute) {
            put_field(&mut lines, Name::RecordRoute.as_str(), value);
        }
        let from_at = lines.len();
        put_first(&mut lines, request, Name::From);
        put_first(&mut lines, request, Name::To);
        let has_to = request.first(Name::To).is_some();
        // Without a To there is no line end to remove.
        lines.truncate(lines.len() - if has_to { 2 } else { 0 });
        let tag_at = lines.len();
        if has_to {
            lines.extend_from_slice(b"\r\n");
        }
        put_first(&mut lines, request, Name::CallId);
        put_first(&mut lines, request, Name::CSeq);
        let timestamp_at = lines.len();
        put_first(&mut lines, request, Name::Timestamp);
        Self {
            route_at,
            from_at,
            tag_at,
            timestamp_at,
            to_needs_tag: has_to && request.to().is_ok_and(|to| !to.params.has("tag")),
            makes_dialog: matches!(request.method(), Some(Method::Invite | Method::Subscribe | Method::Refer)),
            sent_by_port: request.via().ok().and_then(|via| via.port),
            lines,
        }
    }

    /// Destination of responses after the request's connection was closed: its source, at the port of the Via's sent-by
    /// (RFC 3261 §18.2.2).
    pub fn way_back(&self, flow: Flow) -> Flow {
        let usual = if flow.transport == Transport::Tls { 5061 } else { 5060 };
        let remote = SocketAddr::new(flow.remote.ip(), self.sent_by_port.unwrap_or(usual));
        Flow::any(flow.transport, flow.local, remote)
    }

    /// Starts a response. `to_tag` is added to To if it has none and the status is above 100. Record-Route is copied if the response
    /// creates a dialog (RFC 3261 §12.1.1), Timestamp in a 100 (§8.2.6.1).
    pub fn response(&self, status: u16, to_tag: Option<&str>) -> Builder {
        let part = |from: usize, to: usize| self.lines.get(from..to).unwrap_or_default();
        let mut builder = response(status).raw(part(0, self.route_at));
        if self.makes_dialog && (101..300).contains(&status) {
            builder = builder.raw(part(self.route_at, self.from_at));
        }
        builder = builder.raw(part(self.from_at, self.tag_at));
        if let Some(tag) = to_tag.filter(|_| self.to_needs_tag && status > 100) {
            // A separator without a parameter after it, which the parser accepts, is reused.
            let separator: &[u8] = if part(self.from_at, self.tag_at).ends_with(b";") { b"" } else { b";" };
            builder = builder.raw(separator).raw(b"tag=");
            put_clean(&mut builder.bytes, tag.as_bytes());
        }
        builder = builder.raw(part(self.tag_at, self.timestamp_at));
        match status {
            100 => builder.raw(part(self.timestamp_at, self.lines.len())),
            _ => builder,
        }
    }
}

fn put_first(lines: &mut Vec<u8>, request: &Message<'_>, name: Name) {
    if let Some(value) = request.as_it_came(name) {
        put_field(lines, name.as_str(), value);
    }
}

/// Copies every Via, one per line, with the topmost one completed.
fn put_vias(lines: &mut Vec<u8>, request: &Message<'_>, flow: Flow) {
    for (index, value) in request.list(Name::Via).enumerate() {
        let top = (index == 0).then(|| request.via().or_else(|_| Via::parse(value)));
        match top {
            Some(Ok(via)) => put_top_via(lines, value, &via, flow),
            Some(Err(_)) | None => put_field(lines, Name::Via.as_str(), value),
        }
    }
}

/// Replaces `received` and `rport` that the peer wrote itself, because the response would be sent there.
fn put_top_via(lines: &mut Vec<u8>, value: &[u8], via: &Via<'_>, flow: Flow) {
    let source = flow.remote.ip().to_canonical();
    let has_rport = via.params.has("rport");
    let is_other = sent_by_address(via.host) != Some(source);
    lines.extend_from_slice(b"Via: ");
    let head = value.len().saturating_sub(via.params.as_bytes().len());
    put_clean(lines, value.get(..head).unwrap_or(value).trim_ascii_end());
    for (name, param) in via.params.iter() {
        if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
            continue;
        }
        lines.push(b';');
        put_clean(lines, name);
        if let Some(param) = param {
            lines.push(b'=');
            put_clean(lines, param);
        }
    }
    if has_rport || is_other {
        put(lines, &format_args!(";received={source}"));
    }
    if has_rport {
        put(lines, &format_args!(";rport={}", flow.remote.port()));
    }
    lines.extend_from_slice(b"\r\n");
}

fn sent_by_address(host: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(host).ok()?;
    text.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The destination of the response that rejects a request whose Via may be malformed: from its readable parts (RFC 4475 §3.1.2.1). None
/// without any Via.
pub fn refusal_flow(flow: Flow, request: &Message<'_>) -> Option<Flow> {
    let line = request.first(Name::Via)?;
    let sent_by = line.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default();
    let via = request.via().or_else(|_| Via::parse(sent_by));
    Some(via.map_or(flow, |via| response_flow(flow, &via)))
}

/// The destination of a response (RFC 3261 §18.2.2, RFC 3581 §4): the same flow, on datagrams with the port that the Via requests. Always
/// the address from which the request came; with `maddr` a peer could direct responses to a third party.
pub fn response_flow(flow: Flow, via: &Via<'_>) -> Flow {
    if flow.transport != Transport::Udp || via.params.has("rport") {
        return flow;
    }
    let mut remote = flow.remote;
    remote.set_port(via.port.unwrap_or(5060));
    flow.towards(remote)
}
