//! The SIP listeners: opened at the start; each that cannot be opened is tried again every 10 s. The service starts if at least one opens.

use std::net::UdpSocket;

use crate::alarm::{Alarms, Kind};
use crate::config::Config;
use crate::sip::flow::Transport;
use crate::switchboard::Listener;

use super::connections::StreamListener;
use super::loop_sender::LoopSender;
use super::signalling::Inbound;
use super::sockets;

/// One open listener.
#[derive(Debug)]
enum Opened {
    Datagrams(UdpSocket),
    Streams(StreamListener),
}

/// All listeners of the configuration: the open ones, and those that are not open yet.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) datagrams: Vec<UdpSocket>,
    pub(super) streams: Vec<StreamListener>,
    missing: Vec<Listener>,
}

impl Listeners {
    /// Opens all listeners that can be opened. An error if there is none: then the service does not start.
    pub(super) fn open(config: &Config, alarms: &Alarms) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for listener in &config.sip.listeners {
            match open(listener, alarms) {
                Ok(Opened::Datagrams(socket)) => all.datagrams.push(socket),
                Ok(Opened::Streams(listener)) => all.streams.push(listener),
                Err(fault) if all.missing.len() + 1 == config.sip.listeners.len() => return Err(fault),
                Err(_) => all.missing.push(listener.clone()),
            }
        }
        Ok(all)
    }

    /// The listeners that could not be opened, for `reopen`.
    pub(super) fn take_missing(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.missing)
    }
}

/// Tries the missing listeners again, and sends those that open to the loop.
pub(super) async fn reopen(missing: &mut Vec<Listener>, alarms: &Alarms, loop_sender: &LoopSender) {
    for listener in std::mem::take(missing) {
        match open(&listener, alarms) {
            Ok(Opened::Datagrams(socket)) => drop(loop_sender.tell(Inbound::Listen(socket)).await),
            Ok(Opened::Streams(streams)) => drop(loop_sender.tell(Inbound::ListenStreams(streams)).await),
            Err(_) => missing.push(listener),
        }
    }
}

fn open(listener: &Listener, alarms: &Alarms) -> anyhow::Result<Opened> {
    let subject = format!("{}:{}", listener.transport.via(), listener.local);
    let opened = match listener.transport {
        Transport::Udp => sockets::bind_plain(listener.local).map(Opened::Datagrams),
        Transport::Tcp | Transport::Tls => {
            StreamListener::bind(listener.transport, listener.local).map(Opened::Streams)
        }
    };
    alarms.watch(Kind::Listener, &subject, opened)
}
