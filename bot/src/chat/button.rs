//! The buttons under the bot's messages: what the data of one means.

use texts::chat::Chapter;

use super::{admin_invite, admin_people, login, rebuild, reset, start, subscription, test_phone, undo};

/// A button that was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Button {
    /// Under the question whether to forget a person.
    Reset(reset::Answer),
    /// Under the question whether to replace a subscription.
    Login(login::Answer),
    /// A step to a new invite.
    Invite(admin_invite::Step),
    /// Under the question whether to try a phone number.
    Phone(test_phone::Answer),
    /// To a chapter of the help.
    Help(Chapter),
    /// To a page of the list of people.
    People(admin_people::Place),
    /// Shows what happened to the person's subscription.
    History,
    /// Has a view built again, and stops that.
    Rebuild(rebuild::Answer),
    /// Takes an admin's order back.
    Undo(undo::Undo),
}

/// Reads the data of one kind of button.
type Read = fn(&str) -> Option<Button>;

/// Every kind of button, with an example of its data.
const BUTTONS: [(&str, Read); 9] = [
    ("reset:00000000-0000-0000-0000-000000000007", |data| reset::Answer::parse(data).map(Button::Reset)),
    ("replace:3HBP4Z3ECICZ", |data| login::Answer::parse(data).map(Button::Login)),
    ("invite:premium:30:1", |data| admin_invite::Step::parse(data).map(Button::Invite)),
    ("phone:own:+79990000001", |data| test_phone::Answer::parse(data).map(Button::Phone)),
    ("help:safety", |data| start::parse(data).map(Button::Help)),
    ("history", |data| subscription::asks_for_history(data).then_some(Button::History)),
    ("rebuild:ask:users", |data| rebuild::Answer::parse(data).map(Button::Rebuild)),
    ("people:older:00000000000000000000000000000007:ilya", |data| {
        admin_people::Place::parse(data).map(Button::People)
    }),
    ("undo:block:00000000000000000000000000000007:1790000000", |data| {
        undo::Undo::parse(data).map(Button::Undo)
    }),
];

/// An example of the data of every kind of button.
#[cfg(test)]
pub(super) fn button_examples() -> impl Iterator<Item = &'static str> {
    BUTTONS.iter().map(|(example, _)| *example)
}

impl Button {
    /// What the data of a button means; None: nothing any more.
    pub fn parse(data: &str) -> Option<Self> {
        BUTTONS.iter().find_map(|(_, read)| read(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_example_is_read_as_a_button_of_its_own_kind() {
        let kinds: Vec<_> = button_examples().map(|data| Button::parse(data).unwrap()).collect();
        assert!(matches!(
            kinds[..],
            [
                Button::Reset(_),
                Button::Login(_),
                Button::Invite(_),
                Button::Phone(_),
                Button::Help(_),
                Button::History,
                Button::Rebuild(_),
                Button::People(_),
                Button::Undo(_)
            ]
        ));
        assert_eq!(Button::parse("anything"), None);
    }
}
