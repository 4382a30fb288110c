//! Redirects, where a scenario follows them: the `Location` of an answer becomes the bytes of the next
//! exchange, kept until the engine asks for it. No part of this runs where none are followed.

use z6_events::{ConnectionSlot, ExchangeSlot, Failure, NextHop, PlannedRequest, Response, Tick};
use z6_proto_http1::ResponseFacts;

use super::table::InFlight;
use super::worker::Worker;
use crate::engine::Input;
use crate::redirect::Redirected;

impl Worker {
    /// Before an exchange is sent: whether its answer's `Location` is wanted. The first exchange of a
    /// request forgets what one before it in the slot was redirected to.
    pub(super) fn prepare_redirects(
        &mut self,
        slot: ConnectionSlot,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
    ) {
        if attempt == 0 {
            self.hops.remove(&exchange);
        }
        let limit = self.common.redirects.as_ref().map_or(0, |all| all.limit(request.request));
        self.links.at(slot).http.keep_location(limit > 0);
    }

    /// An exchange was answered with a redirect.
    pub(super) fn redirected(
        &mut self,
        slot: ConnectionSlot,
        at: Tick,
        in_flight: &InFlight,
        response: &ResponseFacts,
    ) {
        let link = self.links.at(slot);
        let (Some(redirects), Some(location)) = (&self.common.redirects, link.http.location())
        else {
            return;
        };
        let exchange = in_flight.exchange;
        let redirected = Redirected {
            request: in_flight.request.request,
            target: in_flight.request.target,
            followed: in_flight.attempt,
            before: self.hops.get(&exchange),
            status: response.status,
        };
        let first_byte = in_flight.first_byte.unwrap_or(at);
        let (received_bytes, unsent_bytes) =
            (response.bytes_received, response.unsent_bytes as u64);
        let input = match redirects.follow(&redirected, location) {
            Ok(hop) => {
                let (target, request_bytes) = (hop.target, hop.template.len() as u64);
                self.hops.insert(exchange, hop);
                Input::Redirected {
                    exchange,
                    response: Response {
                        first_byte,
                        status: response.status,
                        received_bytes,
                        unsent_bytes,
                        // A peer that has closed its side would not answer the next request.
                        reusable: response.reusable && !link.peer_closed,
                        unsolicited: response.unsolicited_after,
                    },
                    next: NextHop { target, request_bytes },
                }
            }
            Err(error) => Input::Failed {
                exchange,
                failure: Failure {
                    error,
                    detail: u64::from(response.status),
                    first_byte: Some(first_byte),
                    received_bytes,
                    unsent_bytes,
                    reusable: false,
                },
            },
        };
        self.step(at, input);
        self.carry_out();
    }
}
