"""The contract: what one service may say to another, and the one program that compiles it."""
