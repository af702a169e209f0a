"""What files hold: tables, documents, calendars and archives, read and written as they stream."""
