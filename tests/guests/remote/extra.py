"""The resource of `demo:remote/extra`."""

from wit_world.exports import extra


class Coupon(extra.Coupon):
    def __init__(self) -> None:
        self.redeemed = 0

    def redeem(self) -> int:
        self.redeemed += 1
        return self.redeemed
