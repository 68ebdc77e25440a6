//! Tests of the services as guests call them.
