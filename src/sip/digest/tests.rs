//! Oracles are the worked examples of RFC 7616 §3.9.1 and RFC 2617 §3.5, whose users, passwords and values are facts of
//! those documents.

use data_encoding::HEXLOWER;

use super::*;
use crate::sip::wire::sample::good;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

const LIFE: Duration = Duration::from_secs(60);

fn ours(fields: &str, realm: &str) -> Credentials {
    match credentials::find([fields.as_bytes()].into_iter(), realm) {
        Found::Ours(credentials) => credentials,
        other @ (Found::None | Found::Malformed) => panic!("{other:?}"),
    }
}

/// RFC 7616 §3.9.1: user Mufasa, password "Circle of Life", GET /dir/index.html.
fn rfc7616(algorithm: &str, response: &str) -> String {
    format!(
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
}

#[test]
fn the_examples_of_rfc_7616_come_out() {
    let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
    for (algorithm, expected) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let credentials = ours(&rfc7616(algorithm, expected), "http-auth@example.org");
        assert_eq!(response(&credentials, b"GET", &ha1), expected);
        assert_eq!(credentials.response, expected);
    }
}

#[test]
fn the_example_of_rfc_2617_comes_out() {
    let fields = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                  uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", \
                  response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let credentials = ours(fields, "testrealm@host.com");
    assert_eq!(credentials.algorithm, Algorithm::Md5, "the default");
    let ha1 = Ha1::new("Mufasa", "testrealm@host.com", "Circle Of Life");
    assert_eq!(response(&credentials, b"GET", &ha1), "6629fae49393a05397450978507c4ef1");
    assert_eq!(HEXLOWER.encode(&ha1.md5), "939e7578ed9e3c518a452acee763bce9");
}

/// One phone and one server.
struct Exchange {
    authenticator: Authenticator,
    rng: Rng,
    ha1: Ha1,
    now: Now,
}

/// What a phone may vary.
#[derive(Clone)]
struct Phone {
    user: &'static str,
    password: &'static str,
    algorithm: &'static str,
    nonce: String,
    nc: &'static str,
    uri: &'static str,
    method: &'static str,
}

impl Exchange {
    fn new() -> Self {
        let mut rng = Rng::from_number(11);
        let authenticator =
            Authenticator::new("siaga.example", vec![Algorithm::Sha256, Algorithm::Md5], LIFE, &mut rng);
        let ha1 = Ha1::new("op1", "siaga.example", "rahasia");
        Self { authenticator, rng, ha1, now: Now::default().after(Duration::from_secs(100)) }
    }

    fn phone(&mut self) -> Phone {
        Phone {
            user: "op1",
            password: "rahasia",
            algorithm: "SHA-256",
            nonce: self.nonce(),
            nc: "00000001",
            uri: "sip:siaga.example",
            method: "REGISTER",
        }
    }

    fn nonce(&mut self) -> String {
        let challenge = self.authenticator.challenge(self.now, HERE, false, &mut self.rng).remove(0);
        challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    fn verify(&mut self, authorization: &str) -> Verdict {
        self.verify_field(Role::Server, &format!("Authorization: {authorization}\r\n"))
    }

    fn verify_field(&mut self, role: Role, fields: &str) -> Verdict {
        let text = format!(
            "REGISTER sip:siaga.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: <sip:op1@siaga.example>;tag=1\r\nTo: <sip:op1@siaga.example>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
             {fields}Content-Length: 0\r\n\r\n"
        );
        let ha1 = &self.ha1;
        self.authenticator.verify(self.now, role, &good(text.as_bytes()), |user| (user == "op1").then_some(ha1))
    }
}

impl Phone {
    fn response(&self) -> String {
        let algorithm = if self.algorithm == "SHA-256" { Algorithm::Sha256 } else { Algorithm::Md5 };
        let a1 = format!("{}:siaga.example:{}", self.user, self.password);
        let (ha1, ha2) =
            (algorithm.hash(&[a1.as_bytes()]), algorithm.hash(&[self.method.as_bytes(), self.uri.as_bytes()]));
        let parts = [ha1.as_bytes(), self.nonce.as_bytes(), self.nc.as_bytes(), b"c0ffee", b"auth", ha2.as_bytes()];
        algorithm.hash(&parts)
    }

    fn authorization(&self) -> String {
        format!(
            "Digest username=\"{}\",realm=\"siaga.example\",nonce=\"{}\",uri=\"{}\",algorithm={},qop=auth,nc={},\
             cnonce=\"c0ffee\",response=\"{}\"",
            self.user,
            self.nonce,
            self.uri,
            self.algorithm,
            self.nc,
            self.response()
        )
    }
}

fn accepted() -> Verdict {
    Verdict::Accepted("op1".to_owned())
}

#[test]
fn right_credentials_are_accepted_with_both_algorithms() {
    for algorithm in ["SHA-256", "MD5"] {
        let mut exchange = Exchange::new();
        let phone = Phone { algorithm, ..exchange.phone() };
        assert_eq!(exchange.verify(&phone.authorization()), accepted(), "{algorithm}");
    }
}

#[test]
fn challenges_offer_algorithms_in_their_order_with_one_nonce() {
    let mut exchange = Exchange::new();
    let values = exchange.authenticator.challenge(exchange.now, HERE, true, &mut exchange.rng);
    let [sha256, md5] = values.as_slice() else { panic!("{values:?}") };
    assert!(sha256.starts_with("Digest realm=\"siaga.example\", nonce=\""), "{sha256}");
    assert!(sha256.ends_with("\", algorithm=SHA-256, qop=\"auth\", stale=true"), "{sha256}");
    assert_eq!(md5, &sha256.replace("SHA-256", "MD5"));
    assert_ne!(exchange.nonce(), exchange.nonce());
}

#[test]
fn a_realm_cannot_break_out_of_its_quotes() {
    let mut rng = Rng::from_number(1);
    let authenticator = Authenticator::new("a\", nonce=\"\\", vec![Algorithm::Md5], LIFE, &mut rng);
    let value = authenticator.challenge(Now::default(), HERE, false, &mut rng).remove(0);
    assert!(value.starts_with("Digest realm=\"a\\\", nonce=\\\"\\\\\", nonce=\""), "{value}");
}

#[test]
fn no_credentials_or_those_of_others_are_challenged() {
    let mut exchange = Exchange::new();
    let right = exchange.phone().authorization();
    let challenge = Verdict::Challenge { stale: false };
    assert_eq!(exchange.verify_field(Role::Server, ""), challenge);
    assert_eq!(exchange.verify("Basic b3AxOnJhaGFzaWE="), challenge);
    assert_eq!(exchange.verify(&right.replace("siaga.example\",nonce", "other.example\",nonce")), challenge);
    for algorithm in ["MD5-sess", "SHA-256-sess", "SHA-512-256", "token"] {
        assert_eq!(exchange.verify(&right.replace("SHA-256", algorithm)), challenge, "{algorithm}");
    }
    assert_eq!(exchange.verify_field(Role::Proxy, &format!("Authorization: {right}\r\n")), challenge);
    let two = format!("Authorization: Digest realm=\"other\"\r\nAuthorization: {right}\r\n");
    assert_eq!(exchange.verify_field(Role::Server, &two), accepted(), "ours is the second");
}

#[test]
fn proxies_read_their_own_header_field() {
    let mut exchange = Exchange::new();
    let right = exchange.phone().authorization();
    assert_eq!(exchange.verify_field(Role::Proxy, &format!("Proxy-Authorization: {right}\r\n")), accepted());
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let mut exchange = Exchange::new();
    let wrong = Phone { password: "salah", ..exchange.phone() };
    assert_eq!(exchange.verify(&wrong.authorization()), Verdict::Refused);
    let unknown = Phone { user: "op2", ..exchange.phone() };
    assert_eq!(exchange.verify(&unknown.authorization()), Verdict::Refused);
    let other_method = Phone { method: "INVITE", ..exchange.phone() };
    assert_eq!(exchange.verify(&other_method.authorization()), Verdict::Refused);
}

#[test]
fn an_unknown_user_is_not_let_in_by_the_stand_in() {
    let mut exchange = Exchange::new();
    let mut credentials = ours(&exchange.phone().authorization(), "siaga.example");
    credentials.user = "nobody".to_owned();
    let right_for_nobody = response(&credentials, b"REGISTER", &exchange.authenticator.nobody);
    let text = exchange.phone().authorization();
    let (head, _) = text.split_once("nonce=").unwrap();
    let nonce = String::from_utf8(credentials.nonce).unwrap();
    let forged = format!(
        "{}nonce=\"{nonce}\",uri=\"sip:siaga.example\",algorithm=SHA-256,qop=auth,nc=00000001,cnonce=\"c0ffee\",\
         response=\"{right_for_nobody}\"",
        head.replace("op1", "nobody")
    );
    assert_eq!(exchange.verify(&forged), Verdict::Refused);
}

#[test]
fn a_replay_is_challenged_as_stale_and_the_next_count_is_good() {
    let mut exchange = Exchange::new();
    let phone = exchange.phone();
    assert_eq!(exchange.verify(&phone.authorization()), accepted());
    assert_eq!(exchange.verify(&phone.authorization()), Verdict::Challenge { stale: true });
    let next = Phone { nc: "00000002", ..phone.clone() };
    assert_eq!(exchange.verify(&next.authorization()), accepted());
    let hexadecimal = Phone { nc: "0000000a", ..phone.clone() };
    assert_eq!(exchange.verify(&hexadecimal.authorization()), accepted());
    let late = Phone { nc: "00000009", ..phone };
    assert_eq!(exchange.verify(&late.authorization()), accepted(), "overtaken on the way, but never seen");
    assert_eq!(exchange.verify(&late.authorization()), Verdict::Challenge { stale: true });
}

#[test]
fn wrong_credentials_use_up_no_count() {
    let mut exchange = Exchange::new();
    let phone = exchange.phone();
    let wrong = Phone { password: "salah", ..phone.clone() };
    assert_eq!(exchange.verify(&wrong.authorization()), Verdict::Refused);
    assert_eq!(exchange.verify(&phone.authorization()), accepted());
}

#[test]
fn an_old_or_foreign_nonce_is_stale_only_with_the_right_password() {
    let mut exchange = Exchange::new();
    let phone = exchange.phone();
    exchange.now = exchange.now.after(LIFE);
    assert_eq!(exchange.verify(&phone.authorization()), Verdict::Challenge { stale: true });
    let foreign = Phone { nonce: "deadbeef".to_owned(), ..phone.clone() };
    assert_eq!(exchange.verify(&foreign.authorization()), Verdict::Challenge { stale: true });
    let wrong = Phone { password: "salah", ..phone };
    assert_eq!(exchange.verify(&wrong.authorization()), Verdict::Challenge { stale: false });
}

#[test]
fn the_uri_may_differ_from_the_request_uri_as_rfc_3261_allows() {
    let mut exchange = Exchange::new();
    let phone = Phone { uri: "sip:127.0.0.1:5060", ..exchange.phone() };
    assert_eq!(exchange.verify(&phone.authorization()), accepted());
}

/// What SIPp writes for `[authentication]`: no blanks, algorithm unquoted, the server's address as uri.
#[test]
fn a_header_field_as_sipp_writes_it_is_read() {
    let mut exchange = Exchange::new();
    let phone = Phone { uri: "sip:127.0.0.1:5060", algorithm: "MD5", ..exchange.phone() };
    let text = format!(
        "Digest username=\"op1\",realm=\"siaga.example\",cnonce=\"c0ffee\",nc=00000001,qop=auth,\
         uri=\"sip:127.0.0.1:5060\",nonce=\"{}\",response=\"{}\",algorithm=MD5",
        phone.nonce,
        phone.response()
    );
    assert_eq!(exchange.verify(&text), accepted());
}

#[test]
fn odd_but_legal_spellings_are_read() {
    let mut exchange = Exchange::new();
    for change in [
        (|text| text) as fn(String) -> String,
        |text| text.replace("algorithm=SHA-256", "algorithm=\"sha-256\""),
        |text| text.replace("qop=auth", "qop=\"auth\""),
        |text| text.replace("Digest ", "dIGEST  "),
        |text| text.replace(',', " ,\t"),
        |text| text.replace("nonce=", "NONCE = "),
        |text| text.replace("username=\"op1\"", "username=\"\\op\\1\""),
        |text| format!("{text}, opaque=\"a,b=\\\"c\\\"\", auth-param=x"),
    ] {
        let text = change(exchange.phone().authorization());
        assert_eq!(exchange.verify(&text), accepted(), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_malformed() {
    let mut exchange = Exchange::new();
    let right = exchange.phone().authorization();
    let response = right.split("response=").nth(1).unwrap().to_owned();
    for (from, to) in [
        ("username=\"op1\",", ""),
        ("username=\"op1\"", "username=\"\""),
        ("uri=\"sip:siaga.example\",", ""),
        ("realm=\"siaga.example\",", ""),
        ("qop=auth,", ""),
        ("qop=auth", "qop=auth-int"),
        ("nc=00000001", "nc=00000000"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=+0000001"),
        ("nc=00000001", "nc=100000000"),
        ("cnonce=\"c0ffee\",", ""),
        ("cnonce=\"c0ffee", "cnonce=c0ffee"),
        ("qop=auth", "qop=auth,qop=auth"),
        ("qop=auth", "qop"),
        (response.as_str(), "\"00\""),
        (response.as_str(), "\"zz\""),
    ] {
        let text = right.replace(from, to);
        assert_ne!(text, right, "{from}");
        assert_eq!(exchange.verify(&text), Verdict::Malformed, "{from} -> {to}");
    }
}

#[test]
fn hashes_are_not_printed() {
    assert_eq!(format!("{:?}", Ha1::new("a", "b", "c")), "Ha1(…)");
    let authenticator = Exchange::new().authenticator;
    let secret = format!("{:?}", authenticator);
    assert!(!secret.contains("secret"), "{secret}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_get_a_verdict(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let value = [&b"Digest "[..], &bytes].concat();
        let found = credentials::find([value.as_slice()].into_iter(), "siaga.example");
        proptest::prop_assert!(!matches!(found, Found::Ours(_)));
    }

    #[test]
    fn cutting_right_credentials_anywhere_never_accepts_them(at in 0_usize..400) {
        let mut exchange = Exchange::new();
        let right = exchange.phone().authorization();
        if let Some((cut, rest)) = right.split_at_checked(at) && !rest.is_empty() {
            proptest::prop_assert_ne!(exchange.verify(cut), accepted());
        }
    }
}
