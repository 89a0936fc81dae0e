"""What the user trusts, kept where no run can write."""
