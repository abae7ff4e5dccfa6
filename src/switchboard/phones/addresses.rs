//! The addresses of registered phones.

use crate::ids::OperatorId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::registrar::Binding;
use crate::sip::uri::Uri;
use crate::switchboard::ids::BoundPhone;
use crate::switchboard::phones::search::Reached;
use crate::switchboard::phones::second_address::PhoneAddresses;
use crate::switchboard::settings::Site;

impl Site {
    pub(in crate::switchboard) fn to_reach(&self, account: &OperatorId, binding: &Binding) -> Reached {
        let phone = BoundPhone { account: account.clone(), uri: binding.uri.clone(), flow: binding.flow };
        Reached { phone, addresses: self.addresses(binding) }
    }

    /// The flows for requests to the phone of a binding, the preferred one first.
    pub(in crate::switchboard) fn addresses(&self, binding: &Binding) -> PhoneAddresses {
        match self.contact_flow(binding).filter(|contact| *contact != binding.flow) {
            Some(contact) => PhoneAddresses { first: contact, second: Some(binding.flow) },
            None => PhoneAddresses { first: binding.flow, second: None },
        }
    }

    /// The flow to the Contact of a binding over UDP. None if the Contact names another host (the phone is behind NAT),
    /// a host name or siaga itself, or if siaga does not listen on its transport.
    fn contact_flow(&self, binding: &Binding) -> Option<Flow> {
        let source = binding.flow;
        let uri = Uri::parse(&binding.uri).ok().filter(|_| source.transport == Transport::Udp)?;
        let named = uri.socket_address()?;
        // `source` includes the zone of a link-local address, which no URI contains (RFC 4007 §11).
        let mut address = source.remote;
        address.set_port(named.port());
        let ours = self.listeners.iter().any(|listener| listener.local == address);
        if named.ip() != source.remote.ip() || address == source.local || ours {
            return None;
        }
        match uri.transport() {
            Transport::Udp => Some(source.towards(address)),
            // The Contact's transport applies (RFC 3263 §4.1).
            transport @ (Transport::Tcp | Transport::Tls) => {
                Some(Flow::any(transport, self.listener_towards(transport, address)?, address))
            }
        }
    }
}
