"""The two ways in which a script gives up, each with the line that the user reads."""


class Refused(Exception):
    """A thing that a person must act on: what it is, what was got, what was wanted, what to do next."""

    def __init__(self, thing: str, got: str, wanted: str, next: str):
        self.thing, self.got, self.wanted, self.next = thing, got, wanted, next
        super().__init__(" ".join(f"{thing}: got {got}, wanted {wanted}; next: {next}".split()))


class Failed(Refused):
    """The input was fine; what was made of it is not."""
