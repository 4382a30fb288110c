//! Orders: `POST /orders` creates one, `GET /orders/ID` shows it.
//!
//! Owns the book of orders: the newest `MAX_ORDERS`, shared by all threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{Call, JSON, MAX_TEXT_BYTES, Problem, Shop, form, json_text, made};
use crate::reply::Reply;

/// Orders that are kept; an older one is forgotten, with its Idempotency-Key.
const MAX_ORDERS: usize = 65_536;
const MAX_SKU_BYTES: usize = 64;
const MAX_NOTE_BYTES: usize = 1000;
const MAX_QUANTITY: u64 = 1_000_000;

/// What was ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Order {
    sku: String,
    quantity: u64,
    note: Option<String>,
}

/// All orders kept, numbered from 1 in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct OrderBook(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// Each with its Idempotency-Key.
    orders: VecDeque<(Order, Option<String>)>,
    /// Orders forgotten: the id of the first one kept, less 1.
    forgotten: u64,
    ids: BTreeMap<String, u64>,
}

/// What became of a request to create an order.
#[derive(Debug, PartialEq, Eq)]
enum Created {
    New(u64),
    /// The same request came before.
    Before(u64),
    /// Another order has this Idempotency-Key.
    KeyTaken,
}

impl Shop {
    /// Creates the order unless one with the same Idempotency-Key exists.
    pub(super) fn create_order(&self, call: &Call) -> Result<Reply, Problem> {
        let order = Order::read(call)?;
        let key = call.idempotency_key.clone();
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_TEXT_BYTES) {
            let text = format!("the Idempotency-Key must have 1 to {MAX_TEXT_BYTES} bytes");
            return Err(Problem::new(400, text));
        }
        let (id, replayed) = match self.orders.create(&order, key) {
            Created::New(id) => (id, ""),
            Created::Before(id) => (id, "Idempotent-Replayed: true\r\n"),
            Created::KeyTaken => {
                let text = "another order was created with this Idempotency-Key";
                return Err(Problem::new(422, text));
            }
        };
        let fields = format!("Location: /orders/{id}\r\n{replayed}");
        Ok(made(201, JSON, fields, order.json(id)))
    }

    pub(super) fn read_order(&self, id: Option<u64>) -> Result<Reply, Problem> {
        let found = id.and_then(|id| Some((id, self.orders.find(id)?)));
        let (id, order) = found.ok_or_else(|| Problem::new(404, "there is no such order"))?;
        Ok(made(200, JSON, String::new(), order.json(id)))
    }
}

impl Order {
    fn read(call: &Call) -> Result<Order, Problem> {
        let mut object = form::json_object(call)?;
        let wrong = |text: String| Problem::new(422, text);
        let sku = match object.remove("sku") {
            Some(Value::String(sku)) if (1..=MAX_SKU_BYTES).contains(&sku.len()) => sku,
            _ => return Err(wrong(format!("`sku` must be a text of 1 to {MAX_SKU_BYTES} bytes"))),
        };
        let quantity = object.get("quantity").and_then(Value::as_u64);
        let quantity = quantity.filter(|quantity| (1..=MAX_QUANTITY).contains(quantity));
        let quantity = quantity.ok_or_else(|| {
            wrong(format!("`quantity` must be a whole number from 1 to {MAX_QUANTITY}"))
        })?;
        let note = match object.remove("note") {
            None | Some(Value::Null) => None,
            Some(Value::String(note)) if note.len() <= MAX_NOTE_BYTES => Some(note),
            Some(_) => {
                let text = format!("`note` must be a text of at most {MAX_NOTE_BYTES} bytes");
                return Err(wrong(text));
            }
        };
        Ok(Order { sku, quantity, note })
    }

    fn json(&self, id: u64) -> String {
        let (sku, quantity) = (json_text(&self.sku), self.quantity);
        let note = self.note.as_ref().map_or_else(|| "null".to_owned(), json_text);
        format!("{{\"id\":{id},\"sku\":{sku},\"quantity\":{quantity},\"note\":{note}}}\n")
    }
}

impl OrderBook {
    fn create(&self, order: &Order, key: Option<String>) -> Created {
        let mut pages = self.lock();
        if let Some(&id) = key.as_ref().and_then(|key| pages.ids.get(key)) {
            let is_same = pages.find(id) == Some(order);
            return if is_same { Created::Before(id) } else { Created::KeyTaken };
        }
        pages.add(order.clone(), key)
    }

    fn find(&self, id: u64) -> Option<Order> {
        self.lock().find(id).cloned()
    }

    /// A panic elsewhere leaves the orders as valid as they were.
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn add(&mut self, order: Order, key: Option<String>) -> Created {
        if self.orders.len() == MAX_ORDERS {
            if let Some((_, Some(key))) = self.orders.pop_front() {
                self.ids.remove(&key);
            }
            self.forgotten += 1;
        }
        let id = self.forgotten + self.orders.len() as u64 + 1;
        if let Some(key) = &key {
            self.ids.insert(key.clone(), id);
        }
        self.orders.push_back((order, key));
        Created::New(id)
    }

    fn find(&self, id: u64) -> Option<&Order> {
        let place = id.checked_sub(self.forgotten + 1)?;
        self.orders.get(usize::try_from(place).ok()?).map(|(order, _)| order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(quantity: u64) -> Order {
        Order { sku: "A-1".to_owned(), quantity, note: None }
    }

    #[test]
    fn a_key_stands_for_one_order() {
        let book = OrderBook::default();
        let key = || Some("key".to_owned());
        assert_eq!(book.create(&order(1), key()), Created::New(1));
        assert_eq!(book.create(&order(1), key()), Created::Before(1));
        assert_eq!(book.create(&order(2), key()), Created::KeyTaken);
        assert_eq!(book.create(&order(1), None), Created::New(2));
        assert_eq!(book.find(1), Some(order(1)));
        assert_eq!(book.find(0), None);
        assert_eq!(book.find(3), None);
    }

    #[test]
    fn the_oldest_orders_are_forgotten_with_their_keys() {
        let book = OrderBook::default();
        let key = || Some("key".to_owned());
        assert_eq!(book.create(&order(1), key()), Created::New(1));
        for quantity in 2..=MAX_ORDERS as u64 {
            book.create(&order(quantity), None);
        }
        assert_eq!(book.find(1), Some(order(1)));
        let next = MAX_ORDERS as u64 + 1;
        assert_eq!(book.create(&order(next), None), Created::New(next));
        assert_eq!(book.find(1), None);
        assert_eq!(book.find(2), Some(order(2)));
        assert_eq!(book.find(next), Some(order(next)));
        assert_eq!(book.create(&order(7), key()), Created::New(next + 1));
        assert_eq!(book.lock().ids.len(), 1);
    }
}
