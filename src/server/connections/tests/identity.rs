//! The names that a certificate verifies (RFC 5922 §7), on connections in both directions.

use crate::config::proves;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::*;

/// Two tables, each with a certificate of the same CA, to test whether one can connect to the other by a name.
struct Pair {
    ours: Bench,
    theirs: Bench,
}

impl Pair {
    fn new(folder: &Path, our_names: &[&str], their_names: &[&str]) -> Self {
        let tls = |names| Tls::new(certificates_for(folder, names).read().unwrap());
        let bench = |local, tls| Bench::listening(Caps::default(), patient(), Transport::Tls, local, tls);
        Self { ours: bench("127.0.0.1:0", tls(our_names)), theirs: bench("127.0.0.2:0", tls(their_names)) }
    }

    /// Connects to the other table by a name, or only by its address. Returns the first event of that table; None if
    /// the connection fails.
    async fn call(&mut self, name: Option<&str>) -> Option<Came> {
        let target = self.theirs.at;
        self.ours.table.set_trunks(&[Trunk { tls_name: name.map(str::to_owned), ..trunk(target, "telco") }]);
        let flow = Flow::any(Transport::Tls, self.ours.at, target);
        assert!(self.ours.table.send(&transmit(flow, OPTIONS)));
        tokio::select! {
            came = self.theirs.turn() => Some(came),
            lost = self.ours.came() => match lost {
                Came::Lost(_) => None,
                Came::Proven { .. } => Some(self.theirs.turn().await),
                other @ (Came::Message { .. } | Came::Nothing) => panic!("{other:?}"),
            },
        }
    }
}

#[test]
fn sip_uris_count_before_dns_names_and_wildcards_never() {
    let folder = tempfile::tempdir().unwrap();
    for (names, proven, not_proven) in [
        (
            &["sip:Telco.example", "sip:b.example:5061", "sbc.telco.example"][..],
            &["telco.example", "TELCO.EXAMPLE.", "b.example"][..],
            &["sbc.telco.example", "example", "x.telco.example"][..],
        ),
        (&["sbc.telco.example", "*.hosted.example"], &["sbc.telco.example"], &["a.hosted.example", "telco.example"]),
        (
            &["sip:user@telco.example", "sips:b.example", "dns.example"],
            &["dns.example"],
            &["telco.example", "b.example"],
        ),
        (&["192.0.2.7", "telco.example"], &["192.0.2.7", "telco.example"], &["192.0.2.8"]),
        (&["sip:192.0.2.9"], &["192.0.2.9"], &["192.0.2.7"]),
    ] {
        let files = certificates_for(folder.path(), names);
        let certificate = CertificateDer::from_pem_file(&files.certificate).unwrap();
        for name in proven {
            assert!(proves(&certificate, name), "{names:?} speak for {name}");
        }
        for name in not_proven {
            assert!(!proves(&certificate, name), "{names:?} do not speak for {name}");
        }
    }
    assert!(!proves(&CertificateDer::from(vec![1, 2, 3]), "a.example"), "no certificate at all");
}

#[tokio::test]
async fn a_trunk_is_called_by_the_sip_uri_in_its_certificate_and_not_by_a_wildcard() {
    let folder = tempfile::tempdir().unwrap();
    for (theirs, name, meets) in [
        (&["sip:telco.example", "sbc.telco.example"][..], Some("telco.example"), true),
        (&["sip:telco.example", "sbc.telco.example"], Some("sbc.telco.example"), false),
        (&["*.telco.example"], Some("sbc.telco.example"), false),
        (&["127.0.0.2"], None, true),
        (&["127.0.0.3"], None, false),
    ] {
        let mut pair = Pair::new(folder.path(), &["us.example"], theirs);
        assert_eq!(pair.call(name).await.is_some(), meets, "{theirs:?} called {name:?}");
    }
}

#[tokio::test]
async fn a_trunk_that_calls_proves_the_sip_uri_in_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(folder.path(), &["sip:telco.example", "sbc.telco.example"], &["sip:us.example"]);
    let caller = pair.ours.at;
    pair.theirs.table.set_trunks(&["telco.example", "sbc.telco.example"].map(|name| trunk(caller, name)));
    let Some(Came::Proven { names, .. }) = pair.call(Some("us.example")).await else { panic!("no proof") };
    assert_eq!(names, ["telco.example"]);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_proves_nothing() {
    let (ours, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut pair = Pair::new(ours.path(), &["us.example"], &["sip:telco.example"]);
    let foreign = certificates_for(others.path(), &["sip:telco.example"]);
    let known = certificates_for(ours.path(), &["sip:telco.example"]);
    let mixed = TlsFiles { certificate: foreign.certificate, key: foreign.key, ..known };
    pair.theirs.table.set_tls(Tls::new(mixed.read().unwrap()));
    assert_eq!(pair.call(Some("telco.example")).await, None);
}

#[tokio::test]
async fn every_server_in_a_trunks_networks_proves_its_name_when_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    for (names, peers, target, meets) in [
        (&["sbc.telco.example"][..], "127.0.0.0/24", None, true),
        (&["sbc.telco.example"], "127.0.0.0/24", Some("127.0.0.99:5061"), true),
        (&["127.0.0.2"], "127.0.0.0/24", None, false),
        (&["other.example"], "127.0.0.0/24", None, false),
        // Outside the trunk's networks the certificate must have the address.
        (&["sbc.telco.example"], "127.0.7.0/24", None, false),
    ] {
        let mut pair = Pair::new(folder.path(), &["us.example"], names);
        let (called, target) = (pair.theirs.at, target.map(|target| target.parse().unwrap()));
        let peers = vec![Network::parse(peers).unwrap()];
        pair.ours.table.set_trunks(&[Trunk { peers, target, ..trunk(called, "sbc.telco.example") }]);
        let flow = Flow::any(Transport::Tls, pair.ours.at, called);
        assert!(pair.ours.table.send(&transmit(flow, OPTIONS)));
        let proven = loop {
            tokio::select! {
                _ = pair.theirs.turn() => {}
                came = pair.ours.came() => match came {
                    Came::Proven { names, .. } => break names,
                    Came::Lost(_) => break Vec::new(),
                    Came::Message { .. } | Came::Nothing => {}
                },
            }
        };
        assert_eq!(!proven.is_empty(), meets, "{names:?} called, target {target:?}");
    }
}

#[tokio::test]
async fn a_trunk_that_calls_may_show_a_certificate_for_servers_only() {
    let folder = tempfile::tempdir().unwrap();
    for (usage, counts) in [("serverAuth", true), ("clientAuth", true), ("codeSigning", false)] {
        let mut pair = Pair::new(folder.path(), &["unused.example"], &["us.example"]);
        let files = certificates_of_use(folder.path(), &["sbc.telco.example"], usage);
        pair.ours.table.set_tls(Tls::new(files.read().unwrap()));
        let (caller, called) = (pair.ours.at, pair.theirs.at);
        pair.theirs.table.set_trunks(&[trunk(caller, "sbc.telco.example")]);
        pair.ours.table.set_trunks(&[trunk(called, "us.example")]);
        assert!(pair.ours.table.send(&transmit(Flow::any(Transport::Tls, caller, called), OPTIONS)));
        let proven = loop {
            tokio::select! {
                came = pair.theirs.turn() => match came {
                    Came::Proven { names, .. } => break names,
                    Came::Message { .. } => break Vec::new(),
                    Came::Lost(_) | Came::Nothing => {}
                },
                came = pair.ours.came() => if matches!(came, Came::Lost(_)) {
                    break Vec::new();
                },
            }
        };
        assert_eq!(proven.iter().any(|name| name == "sbc.telco.example"), counts, "{usage}");
    }
}
