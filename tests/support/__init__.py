"""What several rooms' tests stand on: throwaway servers, builders of test data."""
