//! Second factors, and what becomes of wrong attempts.

use axum::http::StatusCode;

use super::{Browser, PASSWORD, Town};
use crate::web::role::Role;
use crate::web::totp;

#[tokio::test]
async fn wrong_codes_end_the_log_in_and_are_limited_by_user_from_all_addresses() {
    let town = Town::new(true).await;
    town.add("ayu", Role::Admin, false).await;
    let secret = totp::generate().unwrap();
    let mut own = town.logged_in("ayu").await;
    town.site.store.set_totp("ayu", Some(&secret), 0).await.unwrap();
    let wrong = async |browser: &mut Browser| town.post(browser, "/login/code", "code=000000").await;
    let mut checked = 0;
    for address in ["192.0.2.21", "192.0.2.22", "192.0.2.23", "192.0.2.24", "192.0.2.25"] {
        let mut browser = Browser { address: Some(address), ..Browser::default() };
        assert_eq!(town.log_in(&mut browser, "ayu", PASSWORD).await.location(), "/login/code?next=/account");
        town.get(&mut browser, "/login/code").await;
        for no in 1..=5 {
            let answer = wrong(&mut browser).await;
            checked += i32::from(answer.status != StatusCode::TOO_MANY_REQUESTS);
            let is_last = no == 5 && answer.status != StatusCode::TOO_MANY_REQUESTS;
            assert_eq!(answer.location(), if is_last { "/login" } else { "" }, "{address} {no}");
            town.pass(1 << (no - 1));
        }
        if checked <= 20 {
            assert_eq!(town.get(&mut browser, "/login/code").await.location(), "/login?next=/login/code");
        }
    }
    // Four log-ins take two minutes, which repay two codes.
    assert!((20..=22).contains(&checked), "{checked}");
    let actions = town.actions().await;
    assert!(actions.iter().any(|action| action.starts_with("ayu log-in-password")), "{actions:?}");
    assert_eq!(actions.iter().filter(|action| action.starts_with("ayu codes-limited")).count(), 1);
    // Half log-ins end no complete session, and a browser that was there before is not limited.
    assert_eq!(town.get(&mut own, "/account").await.status, StatusCode::OK);
    own.cookies.remove("siaga_session");
    town.log_in(&mut own, "ayu", PASSWORD).await;
    town.get(&mut own, "/login/code").await;
    let code = totp::code_at(&secret, town.site.now()).unwrap();
    assert_eq!(town.post(&mut own, "/login/code", &format!("code={code}&next=/users")).await.location(), "/users");
}

#[tokio::test]
async fn half_log_ins_end_no_complete_session() {
    let town = Town::new(true).await;
    town.add("ayu", Role::Admin, false).await;
    let mut own = town.logged_in("ayu").await;
    town.site.store.set_totp("ayu", Some(&totp::generate().unwrap()), 0).await.unwrap();
    for _ in 0..11 {
        let answer = town.log_in(&mut Browser::default(), "ayu", PASSWORD).await;
        assert_eq!(answer.location(), "/login/code?next=/account");
    }
    assert_eq!(town.get(&mut own, "/account").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_earlier_clock_does_not_lengthen_the_delay_and_a_wrong_name_is_not_kept() {
    let town = Town::new(false).await;
    town.add("siti", Role::Viewer, false).await;
    let mut browser = Browser::default();
    assert_eq!(town.log_in(&mut browser, "siti", "wrong").await.status, StatusCode::UNAUTHORIZED);
    town.pass(-3_600);
    assert_eq!(town.log_in(&mut browser, "siti", PASSWORD).await.status, StatusCode::SEE_OTHER);
    let mut browser = Browser::default();
    assert_eq!(town.log_in(&mut browser, "hunter2hunter2", "x").await.status, StatusCode::UNAUTHORIZED);
    let actions = town.actions().await;
    assert!(actions.iter().any(|action| action == " log-in-failed password unknown-user 14"), "{actions:?}");
    assert!(!actions.iter().any(|action| action.contains("hunter2")), "{actions:?}");
}
