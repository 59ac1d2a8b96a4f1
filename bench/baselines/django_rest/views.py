"""Django REST framework as its tutorial has it: models, serializers, generic views; psycopg 3, connections kept.

Runs in an environment of its own: see bench/environment.
"""

import hashlib
import json
from typing import Any

from django.db import models, transaction
from django.http import HttpRequest
from django.urls import path
from django.utils import timezone
from rest_framework import generics, serializers, status
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from bench.baselines.cursor import make_cursor, read_cursor
from mainstay.kernel.core.ids import uuid7


class Order(models.Model):
    """A tenant's order."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.TextField()
    status = models.TextField(default="draft")
    total_cents = models.BigIntegerField(null=True)
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        app_label, db_table, managed = "bench", "orders", False


class IdempotencyKey(models.Model):
    """The answer that a key got."""

    pk = models.CompositePrimaryKey("tenant_id", "scope", "key")
    tenant_id = models.TextField()
    scope = models.TextField()
    key = models.TextField()
    fingerprint = models.BinaryField()
    status = models.SmallIntegerField()
    body = models.BinaryField()
    etag = models.TextField()
    location = models.TextField()

    class Meta:
        app_label, db_table, managed = "bench", "idempotency_keys", False


class Outbox(models.Model):
    """An event to publish."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    tenant_id = models.TextField()
    aggregatetype = models.TextField()
    aggregateid = models.TextField()
    aggregateversion = models.BigIntegerField()
    type = models.TextField()
    payload = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        app_label, db_table, managed = "bench", "outbox", False


class OrderSerializer(serializers.ModelSerializer):
    """What a caller gets."""

    tenantId = serializers.CharField(source="tenant_id")  # noqa: N815 - as callers see it
    totalCents = serializers.IntegerField(source="total_cents")  # noqa: N815 - the same
    createdAt = serializers.DateTimeField(source="created_at")  # noqa: N815 - the same
    updatedAt = serializers.DateTimeField(source="updated_at")  # noqa: N815 - the same
    confirmedAt = serializers.DateTimeField(source="confirmed_at")  # noqa: N815 - the same
    closedAt = serializers.DateTimeField(source="closed_at")  # noqa: N815 - the same

    class Meta:
        model = Order
        fields = (
            *("id", "tenantId", "status", "totalCents", "version"),
            *("createdAt", "updatedAt", "confirmedAt", "closedAt"),
        )


class OneOrder(generics.GenericAPIView):
    """GET /orders/{id}."""

    serializer_class = OrderSerializer

    def get(self, request: HttpRequest, order_id: str) -> Response:
        """Read it."""
        order = generics.get_object_or_404(Order, tenant_id=request.headers["X-Tenant-Id"], id=order_id)
        return Response(self.get_serializer(order).data, headers={"ETag": f'"{order.version}"'})


class Orders(generics.GenericAPIView):
    """GET /orders?limit=…&cursor=… and POST /orders."""

    serializer_class = OrderSerializer

    def get(self, request: HttpRequest) -> Response:
        """List a tenant's, newest first; one more is read to know whether there are more."""
        tenant, limit = request.headers["X-Tenant-Id"], int(request.GET.get("limit", 20))
        asked = Order.objects.filter(tenant_id=tenant).order_by("-created_at", "-id")
        if cursor := request.GET.get("cursor"):
            at, last = read_cursor(tenant, cursor)
            asked = asked.filter(models.Q(created_at__lt=at) | models.Q(created_at=at, id__lt=last))
        orders = list(asked[: limit + 1])
        page: dict[str, Any] = {"items": self.get_serializer(orders[:limit], many=True).data, "nextCursor": None}
        if len(orders) <= limit:
            return Response(page)
        page["nextCursor"] = make_cursor(tenant, orders[limit - 1].created_at, orders[limit - 1].id)
        return Response(page, headers={"Link": f'</orders?limit={limit}&cursor={page["nextCursor"]}>; rel="next"'})

    def post(self, request: HttpRequest) -> Response:
        """Make a draft: look the key up, then write order, key and event in one transaction."""
        tenant, key, scope = request.headers["X-Tenant-Id"], request.headers["Idempotency-Key"], "POST /orders"
        if IdempotencyKey.objects.filter(tenant_id=tenant, scope=scope, key=key).exists():
            return Response(status=status.HTTP_409_CONFLICT)  # a replay; never measured
        now = timezone.now()
        order = Order(tenant_id=tenant, created_at=now, updated_at=now)
        body = JSONRenderer().render(shown := self.get_serializer(order).data)
        location = f"/orders/{order.id}"
        with transaction.atomic():
            order.save(force_insert=True)
            IdempotencyKey(
                tenant_id=tenant,
                scope=scope,
                key=key,
                fingerprint=hashlib.sha256(request.body).digest(),
                status=status.HTTP_201_CREATED,
                body=body,
                etag='"1"',
                location=location,
            ).save(force_insert=True)
            Outbox(
                tenant_id=tenant,
                aggregatetype="order",
                aggregateid=str(order.id),
                aggregateversion=order.version,
                type="order.created",
                payload=json.loads(body),
                created_at=now,
            ).save(force_insert=True)
        return Response(shown, status=status.HTTP_201_CREATED, headers={"ETag": '"1"', "Location": location})


urlpatterns = [path("orders", Orders.as_view()), path("orders/<uuid:order_id>", OneOrder.as_view())]
