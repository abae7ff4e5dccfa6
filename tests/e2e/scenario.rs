//! Scenarios for SIPp that are written step by step beside what they test. A side speaks in its dialog as RFC 3261 §12 wants it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What a message must hold: in a header field (`"Via:"`), in the `"body"`, or anywhere (`"msg"`), a regular expression.
pub(crate) type Check<'a> = (&'a str, &'a str);

/// A session description of one audio stream.
#[derive(Clone, Copy)]
pub(crate) struct Sdp {
    /// A key of SIPp's, `voice_port` or `moved_port`.
    pub(crate) port: &'static str,
    pub(crate) payload_type: u8,
    pub(crate) direction: &'static str,
    /// Whether it has telephone events.
    pub(crate) events: bool,
}

impl Sdp {
    pub(crate) const ALAW: Self = Self { port: "voice_port", payload_type: 8, direction: "sendrecv", events: true };
    pub(crate) const MULAW: Self = Self { payload_type: 0, ..Self::ALAW };
    /// At the other port.
    pub(crate) const MOVED: Self = Self { port: "moved_port", ..Self::ALAW };
    pub(crate) const INACTIVE: Self = Self { direction: "inactive", ..Self::ALAW };

    /// The m-line and what belongs to it.
    pub(crate) fn line(self) -> String {
        let Self { port, payload_type, direction, events } = self;
        let name = if payload_type == 0 { "PCMU" } else { "PCMA" };
        let (number, map) = if events { (" 101", "a=rtpmap:101 telephone-event/8000\n") } else { ("", "") };
        format!(
            "m=audio [{port}] RTP/AVP {payload_type}{number}\na=rtpmap:{payload_type} {name}/8000\n{map}a={direction}\n"
        )
    }

    pub(crate) fn text(self) -> String {
        described("[local_ip]", &self.line())
    }
}

/// A description with these lines of media.
pub(crate) fn described(address: &str, media: &str) -> String {
    format!("v=0\no=peer 1 [cseq] IN IP4 [local_ip]\ns=-\nc=IN IP4 {address}\nt=0 0\n{media}")
}

/// The steps so far.
pub(crate) struct Scenario {
    steps: String,
    /// So many steps there are, and which was the last INVITE of this side: its branch is that of an ACK to a refusal.
    count: usize,
    invited_at: usize,
    cseq: u32,
    invite_cseq: u32,
    is_caller: bool,
    variables: usize,
    /// Parameters of the Via of each request, and of each response.
    via: String,
    told: String,
    hops: u8,
    /// The target of the first INVITE.
    called: String,
}

impl Scenario {
    /// The side that calls 112.
    pub(crate) fn caller() -> Self {
        Self::new(true)
    }

    /// The side that is called; `INVITE` comes first.
    pub(crate) fn callee(checks: &[Check<'_>]) -> Self {
        let mut callee = Self::new(false);
        let keeps = "<ereg regexp=\".*\" search_in=\"hdr\" header=\"From:\" assign_to=\"theirs\"/>\
                     <ereg regexp=\".*\" search_in=\"hdr\" header=\"To:\" assign_to=\"mine\"/>\
                     <ereg regexp=\".*\" search_in=\"hdr\" header=\"Via:\" assign_to=\"way\"/>";
        callee.hears_step("request=\"INVITE\" rrs=\"true\"", checks, keeps);
        callee
    }

    fn new(is_caller: bool) -> Self {
        Self {
            steps: String::new(),
            count: 0,
            invited_at: 0,
            cseq: 0,
            invite_cseq: 0,
            is_caller,
            variables: 0,
            via: String::new(),
            told: String::new(),
            hops: 70,
            called: "sip:[service]@[remote_ip]:[remote_port]".to_owned(),
        }
    }

    /// The Via of each request has these parameters.
    pub(crate) fn via(mut self, params: &str) -> Self {
        params.clone_into(&mut self.via);
        self
    }

    /// Calls another than the number.
    pub(crate) fn calling(mut self, uri: &str) -> Self {
        uri.clone_into(&mut self.called);
        self
    }

    /// Max-Forwards of each request.
    pub(crate) fn hops(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// The Via of each response says this, asked or not.
    pub(crate) fn told_in_via(mut self, params: &str) -> Self {
        params.clone_into(&mut self.told);
        self
    }

    /// A request of this side; the first one of a caller is no one's dialog yet.
    pub(crate) fn asks(mut self, method: &str, fields: &str, body: &str) -> Self {
        self.cseq += 1;
        if method == "INVITE" {
            (self.invite_cseq, self.invited_at) = (self.cseq, self.count);
        }
        let text = self.request(method, self.cseq, "[branch]", fields, body);
        self.send(true, &text)
    }

    /// A request of this side with a number of its own, out of order.
    pub(crate) fn asks_as(self, cseq: u32, method: &str, fields: &str, body: &str) -> Self {
        let text = self.request(method, cseq, "[branch]", fields, body);
        self.send(true, &text)
    }

    /// The ACK of a 2xx.
    pub(crate) fn acks(self, body: &str) -> Self {
        let text = self.request("ACK", self.invite_cseq, "[branch]", "", body);
        self.send(false, &text)
    }

    /// The ACK of a refusal, in the INVITE's transaction.
    pub(crate) fn acks_refusal(self) -> Self {
        let branch = format!("[branch-{}]", self.count - self.invited_at);
        let text = self.request("ACK", self.invite_cseq, &branch, "", "");
        self.send(false, &text)
    }

    /// Waits for a response.
    pub(crate) fn hears(mut self, status: u16, checks: &[Check<'_>]) -> Self {
        self.hears_step(&format!("response=\"{status}\" rrs=\"true\""), checks, "");
        self
    }

    /// Waits for a reliable response; its RSeq is `[$rseq]` from now on.
    pub(crate) fn hears_reliably(mut self, status: u16, checks: &[Check<'_>]) -> Self {
        let rseq = "<ereg regexp=\"[0-9]+\" search_in=\"hdr\" header=\"RSeq:\" check_it=\"true\" assign_to=\"rseq\"/>";
        self.hears_step(&format!("response=\"{status}\" rrs=\"true\""), checks, rseq);
        self
    }

    /// A response that may come before the next one that is waited for.
    pub(crate) fn may_hear(mut self, status: u16) -> Self {
        self.hears_step(&format!("response=\"{status}\" optional=\"true\""), &[], "");
        self
    }

    /// Waits for a request.
    pub(crate) fn gets(mut self, method: &str, checks: &[Check<'_>]) -> Self {
        self.hears_step(&format!("request=\"{method}\""), checks, "");
        self
    }

    /// Waits for a request that is answered later: `answers_kept`.
    pub(crate) fn gets_and_keeps(mut self, method: &str) -> Self {
        let keeps = ["Via", "From", "To", "CSeq"].map(|name| {
            format!("<ereg regexp=\".*\" search_in=\"hdr\" header=\"{name}:\" assign_to=\"kept_{name}\"/>")
        });
        self.hears_step(&format!("request=\"{method}\""), &[], &keeps.concat());
        self
    }

    /// Answers the last request.
    pub(crate) fn answers(self, status: &str, fields: &str, body: &str) -> Self {
        self.answers_as("", status, fields, body)
    }

    /// Answers the first request with a tag of its own.
    pub(crate) fn answers_as(self, tag: &str, status: &str, fields: &str, body: &str) -> Self {
        let tag = if tag.is_empty() { String::new() } else { format!(";tag=[pid]{tag}[call_number]") };
        let told = &self.told;
        let head = format!("[last_Via:]{told}\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]");
        self.response(&head, status, fields, body)
    }

    /// Answers the INVITE that has come first, when something else has come since.
    pub(crate) fn answers_invite_as(self, tag: &str, status: &str, fields: &str, body: &str) -> Self {
        let head = format!(
            "Via:[$way]\nFrom:[$theirs]\nTo:[$mine];tag=[pid]{tag}[call_number]\nCall-ID: [call_id]\nCSeq: 1 INVITE"
        );
        self.response(&head, status, fields, body)
    }

    /// Answers the request that was kept.
    pub(crate) fn answers_kept(self, status: &str, fields: &str, body: &str) -> Self {
        let head = "Via:[$kept_Via]\nFrom:[$kept_From]\nTo:[$kept_To]\nCall-ID: [call_id]\nCSeq:[$kept_CSeq]";
        self.response(head, status, fields, body)
    }

    /// Nothing for so long.
    pub(crate) fn waits(mut self, millis: u32) -> Self {
        writeln!(self.steps, "  <pause milliseconds=\"{millis}\"/>").unwrap();
        self.count += 1;
        self
    }

    /// Hangs up.
    pub(crate) fn hangs_up(self) -> Self {
        self.asks("BYE", "", "").hears(200, &[])
    }

    /// Waits until it is hung up.
    pub(crate) fn gets_bye(self, checks: &[Check<'_>]) -> Self {
        self.gets("BYE", checks).answers("200 OK", "", "")
    }

    /// Writes the file.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let mut variables: Vec<String> = (0..self.variables).map(|n| format!("seen{n}")).collect();
        for name in ["kept_Via", "kept_From", "kept_To", "kept_CSeq", "theirs", "mine", "way", "rseq"] {
            if self.steps.contains(&format!("assign_to=\"{name}\"")) {
                variables.push(name.to_owned());
            }
        }
        let variables = match variables.is_empty() {
            true => String::new(),
            false => format!("  <Reference variables=\"{}\"/>\n", variables.join(",")),
        };
        let text =
            format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">\n{}{variables}</scenario>\n", self.steps);
        let path = folder.join(format!("{name}.xml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn request(&self, method: &str, cseq: u32, branch: &str, fields: &str, body: &str) -> String {
        let (from, to) = match self.is_caller {
            true => (
                " <sip:[number]@[local_ip]:[local_port]>;tag=[pid]c[call_number]",
                " <sip:[service]@[remote_ip]>[peer_tag_param]",
            ),
            false => ("[$mine];tag=[pid]t[call_number]", "[$theirs]"),
        };
        let uri = if self.is_caller && cseq == 1 && method == "INVITE" { &self.called } else { "[next_url]\n[routes]" };
        let (uri, routes) = uri.split_once('\n').map_or((uri, ""), |(uri, _)| (uri, "\n[routes]"));
        let contact =
            if fields.contains("Contact: ") { "" } else { "Contact: <sip:[number]@[local_ip]:[local_port]>\n" };
        let Self { via, hops, .. } = self;
        let head = format!(
            "{method} {uri} SIP/2.0{routes}\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}{via}\nFrom:{from}\n\
             To:{to}\nCall-ID: [call_id]\nCSeq: {cseq} {method}\n{contact}Max-Forwards: {hops}\n{fields}"
        );
        with_body(&head, body).replace("[cseq]", &(100 + cseq).to_string())
    }

    fn response(self, head: &str, status: &str, fields: &str, body: &str) -> Self {
        let contact =
            if fields.contains("Contact: ") { "" } else { "Contact: <sip:[number]@[local_ip]:[local_port]>\n" };
        let text = with_body(&format!("SIP/2.0 {status}\n{head}\n{contact}{fields}"), body);
        let text = text.replace("[cseq]", &self.count.to_string());
        self.send(false, &text)
    }

    fn send(mut self, repeats: bool, text: &str) -> Self {
        let repeats = if repeats { " retrans=\"500\"" } else { "" };
        writeln!(self.steps, "  <send{repeats}><![CDATA[\n{text}]]></send>").unwrap();
        self.count += 1;
        self
    }

    fn hears_step(&mut self, what: &str, checks: &[Check<'_>], keeps: &str) {
        let mut actions = keeps.to_owned();
        for (place, pattern) in checks {
            let place = match *place {
                "msg" | "body" => format!("search_in=\"{place}\""),
                name => format!("search_in=\"hdr\" header=\"{name}\""),
            };
            let (not, pattern) = pattern.strip_prefix('!').map_or(("", *pattern), |pattern| ("_inverse", pattern));
            let pattern = pattern.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            let n = self.variables;
            write!(actions, "<ereg regexp=\"{pattern}\" {place} check_it{not}=\"true\" assign_to=\"seen{n}\"/>")
                .unwrap();
            self.variables += 1;
        }
        writeln!(self.steps, "  <recv {what}><action>{actions}</action></recv>").unwrap();
        self.count += 1;
    }
}

fn with_body(head: &str, body: &str) -> String {
    if body.is_empty() {
        return format!("{head}Content-Length: 0\n\n");
    }
    let kind = if head.contains("Content-Type: ") { "" } else { "Content-Type: application/sdp\n" };
    format!("{head}{kind}Content-Length: [len]\n\n{body}")
}
